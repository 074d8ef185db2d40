-- Logging out ends a session before its time, and leaves it in the table for the record.
ALTER TABLE sessions ADD COLUMN revoked_at TIMESTAMP;
ALTER TABLE sessions ADD COLUMN revoked_because VARCHAR(40) NOT NULL DEFAULT '';

-- Sessions from before this release were given out for a year; the policy is ninety days from now on.
UPDATE sessions
SET revoked_at = CURRENT_TIMESTAMP, revoked_because = 'new policy; see TASK-162'
WHERE expires_at > '2026-01-01 00:00:00';
