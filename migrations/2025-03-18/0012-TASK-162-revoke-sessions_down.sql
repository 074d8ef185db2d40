-- What was revoked must stay so: without the column it would be valid again.
DELETE FROM sessions WHERE revoked_at IS NOT NULL;

ALTER TABLE sessions DROP COLUMN revoked_because;
ALTER TABLE sessions DROP COLUMN revoked_at;
