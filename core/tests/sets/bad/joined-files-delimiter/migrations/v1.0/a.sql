DELIMITER go
create table a (b int)
go
