;;SELECT 1;;
;