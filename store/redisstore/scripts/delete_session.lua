-- ARGV: token.
if not delete(ARGV[1]) then rewrite() end
return 'ok'
