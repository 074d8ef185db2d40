/* What happened to an account, for its owner to see.
   Rows are written once: there is no updated_at, and no foreign key, so that they outlive the account. */
CREATE TABLE account_events (
    id          VARCHAR(36)  NOT NULL PRIMARY KEY,
    user_id     VARCHAR(36)  NOT NULL,
    what        VARCHAR(40)  NOT NULL,
    detail      VARCHAR(400) NOT NULL DEFAULT '{}',
    happened_at TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT account_events_are_known
        CHECK (what IN ('created', 'logged-in', 'logged-out', 'password-changed', 'session-revoked'))
);

CREATE INDEX account_events_user ON account_events (user_id, happened_at);

-- The history begins with what is known: when each account was made, and which sessions 0012 revoked. A session and its
-- user have different ids, so that these do not meet.
INSERT INTO account_events (id, user_id, what, happened_at)
SELECT id, id, 'created', created_at FROM users;

INSERT INTO account_events (id, user_id, what, happened_at)
SELECT id, user_id, 'session-revoked', revoked_at FROM sessions WHERE revoked_at IS NOT NULL;
