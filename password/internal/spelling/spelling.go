// Package spelling reads digits and signs as the letters that they stand for in
// passwords. The list of common passwords is made with it, and searched.
package spelling

import "strings"

// Plain is text, in lower case, as it may have been meant: "p@ssw0rd" is
// "password". A sign that may stand for i or for l makes these one letter.
func Plain(text string) string { return plain.Replace(text) }

var plain = strings.NewReplacer(
	"4", "a", "@", "a",
	"8", "b",
	"(", "c",
	"3", "e",
	"6", "g", "9", "g",
	"1", "i", "!", "i", "|", "i", "l", "i",
	"0", "o",
	"5", "s", "$", "s",
	"7", "t", "+", "t",
	"2", "z",
)
