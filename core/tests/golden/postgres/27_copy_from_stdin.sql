COPY a (b, c) FROM stdin;
1	it's; here
2	$$
\.

SELECT 1;
COPY (SELECT 1 FROM stdin) TO '/tmp/f';
