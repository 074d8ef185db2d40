DROP TABLE members;
DROP TABLE rooms;
