-- KEYS: the subject's version. Answers it, and the server's clock.
return { redis.call('GET', KEYS[1]), redis.call('TIME') }
