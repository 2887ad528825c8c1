package password

// Htpasswd reads what htpasswd -B of Apache, and PHP, write: bcrypt as "$2y$".
// The other formats of htpasswd are no protection.
func Htpasswd() []Scheme {
	return []Scheme{format{"htpasswd-bcrypt", "$2y$", func(encoded string) (work, error) {
		b, err := parseBcrypt("y", encoded)
		return b.work(), err
	}}}
}
