-- What waits for a row that somebody else holds keeps one of a few connections, also when its caller has given up and asks again. Where nothing bounded
-- that but the statement's own 15 s, one row that an operator's session held took all of them within seconds, and with them all that policy does.

ALTER FUNCTION draw_rates SET lock_timeout = '500ms';
ALTER FUNCTION draw_permits SET lock_timeout = '500ms';
ALTER FUNCTION acquire_leases SET lock_timeout = '3s';
