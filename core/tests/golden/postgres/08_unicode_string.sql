SELECT U&'d\0061t\+000061; ''', U&"d\0061;" UESCAPE '!';
SELECT N'a;', B'01', X'1F';
