-- ARGV: owner, id. Answers the row, or nothing.
return fields(row_of_owner(ARGV[2], ARGV[1]))
