-- Up to when somebody has read a room: one row for each member, overwritten.
CREATE TABLE read_markers (
    room_id VARCHAR(36) NOT NULL,
    user_id VARCHAR(36) NOT NULL,
    read_at TIMESTAMP   NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (room_id, user_id),
    FOREIGN KEY (room_id, user_id) REFERENCES members (room_id, user_id) ON DELETE CASCADE
);

-- Nobody wants to come back to a year of unread messages: today, everything counts as read.
INSERT INTO read_markers (room_id, user_id) SELECT room_id, user_id FROM members;
