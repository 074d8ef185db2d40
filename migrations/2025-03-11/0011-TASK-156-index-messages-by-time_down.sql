DROP INDEX messages_room_and_time;
