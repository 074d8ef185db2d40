-- Where people talk.
CREATE TABLE rooms (
    id         VARCHAR(36)  NOT NULL PRIMARY KEY,
    name       VARCHAR(80)  NOT NULL UNIQUE,
    topic      VARCHAR(200) NOT NULL DEFAULT '',
    created_at TIMESTAMP    NOT NULL DEFAULT CURRENT_TIMESTAMP
);

-- Who is in which room, and what they may do there.
CREATE TABLE members (
    room_id   VARCHAR(36) NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    user_id   VARCHAR(36) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role      VARCHAR(16) NOT NULL DEFAULT 'member',
    joined_at TIMESTAMP   NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (room_id, user_id),
    CONSTRAINT members_role_is_known CHECK (role IN ('owner', 'member', 'guest'))
);

-- The key finds the members of a room; this one finds the rooms of a member.
CREATE INDEX members_user ON members (user_id);
