-- The two roles of the app, which the superuser makes once, in the empty database:
--
--   OWNER_PASSWORD=… APP_PASSWORD=… psql --set ON_ERROR_STOP=1 --username postgres --dbname jobs --file docs/deploy/roles.sql
--
-- `jobs_owner` migrates and owns the tables. `jobs_app` reads and writes their rows and can do nothing else: what web
-- processes, workers and all other commands run as. Neither may make databases, roles or extensions.

-- psql 15 or newer. A password that is missing is a syntax error below.
\getenv owner_password OWNER_PASSWORD
\getenv app_password APP_PASSWORD

CREATE ROLE jobs_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE jobs_app LOGIN PASSWORD :'app_password';

-- By default everybody may connect and make temporary tables; before PostgreSQL 15, tables as well.
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT CONNECT ON DATABASE :"DBNAME" TO jobs_owner, jobs_app;
GRANT USAGE, CREATE ON SCHEMA public TO jobs_owner;
GRANT USAGE ON SCHEMA public TO jobs_app;

-- For every table and sequence that a migration makes, now or later.
ALTER DEFAULT PRIVILEGES FOR ROLE jobs_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO jobs_app;
ALTER DEFAULT PRIVILEGES FOR ROLE jobs_owner IN SCHEMA public
    GRANT USAGE ON SEQUENCES TO jobs_app;
