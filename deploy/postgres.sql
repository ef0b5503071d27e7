-- Gives each service of Weir that has tables a role and a schema of its own. psql runs it once, as superuser, in Weir's empty database;
-- passwords are in the environment: WEIR_POLICY_PASSWORD, WEIR_METERING_PASSWORD, WEIR_PROVIDERS_PASSWORD. Services make their tables themselves.
\set ON_ERROR_STOP on
\getenv policy_password WEIR_POLICY_PASSWORD
\getenv metering_password WEIR_METERING_PASSWORD
\getenv providers_password WEIR_PROVIDERS_PASSWORD

BEGIN;

-- Nobody connects, makes temporary tables or uses the schema `public` unless told otherwise.
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;

CREATE ROLE policy LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'policy_password';
CREATE ROLE metering LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'metering_password';
CREATE ROLE providers LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'providers_password';
GRANT CONNECT ON DATABASE :"DBNAME" TO policy, metering, providers;

-- A service owns its schema, and can neither see into another one nor make one more.
CREATE SCHEMA policy AUTHORIZATION policy;
CREATE SCHEMA metering AUTHORIZATION metering;
CREATE SCHEMA providers AUTHORIZATION providers;

COMMIT;
