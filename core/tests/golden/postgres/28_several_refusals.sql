COPY a TO STDOUT;
PREPARE TRANSACTION 'x';
DISCARD ALL;
DEALLOCATE PREPARE ALL;
SET LOCAL standard_conforming_strings = off;
DISCARD TEMP;
DEALLOCATE x;
SET standard_conforming_strings = on;
