-- Members and messages go with the room.
DELETE FROM rooms WHERE id = '00000000-0000-0000-0000-000000000001';
