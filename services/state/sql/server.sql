-- server_version --
SELECT current_setting('server_version')

-- settings_off --
SELECT name FROM pg_settings WHERE name = ANY($1::text[]) AND setting = 'off' ORDER BY name

-- clock --
SELECT extract(epoch FROM clock_timestamp())::float8

-- server_pid --
SELECT pg_backend_pid()
