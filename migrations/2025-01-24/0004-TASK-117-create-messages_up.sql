-- What was said. Messages outlive their author, and go with their room.
CREATE TABLE messages (
    id        VARCHAR(36) NOT NULL PRIMARY KEY,
    room_id   VARCHAR(36) NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    author_id VARCHAR(36) REFERENCES users (id) ON DELETE SET NULL,
    body      TEXT        NOT NULL,
    sent_at   TIMESTAMP   NOT NULL DEFAULT CURRENT_TIMESTAMP,
    edited_at TIMESTAMP,
    CONSTRAINT messages_say_something CHECK (body <> '')
);

CREATE INDEX messages_author ON messages (author_id);
