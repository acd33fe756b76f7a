# Corners of the segment index, each written out: where changes could be noted in the wrong order, by the wrong code, or not at all, and a count be wrong.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Faults qw(server_fell);
use IndexTorture;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', settings() . 'segments.auto_compact = off');
$node->start;
scenarios($node, <<'SCENES');
# Values -----------------------------------------------------------------------------------------------------------------------------------
== two sessions give a new value a code each, and who has it leaves
a: CREATE TABLE lists (member bigint, list text, PRIMARY KEY (member, list)); SELECT segments.add_membership('aud', 'list', 'lists', 'member', 'list'), segments.create_index('aud')
a: BEGIN; INSERT INTO lists VALUES (1, 'new')
b: BEGIN; INSERT INTO lists VALUES (2, 'new'), (3, 'new')
a: COMMIT
b: COMMIT
? {"field":"list","operator":"equal","value":"new"}
c: DELETE FROM lists WHERE member = 1
? {"field":"list","operator":"equal","value":"new"}
c: UPDATE lists SET member = 4 WHERE member = 2
? {"field":"list","operator":"equal","value":"new"}
c: DELETE FROM lists WHERE member > 2
? {"field":"list","operator":"equal","value":"new"}
c: SELECT segments.compact('aud')
? {"field":"list","operator":"equal","value":"new"}

== the same in an array
a: ALTER TABLE aud ADD tags text[]; SELECT segments.create_index('aud')
a: BEGIN; UPDATE aud SET tags = '{new}' WHERE id = 1
b: BEGIN; UPDATE aud SET tags = '{new}' WHERE id = 2
a: COMMIT
b: COMMIT
c: UPDATE aud SET tags = '{other}' WHERE id = 1
? {"field":"tags","operator":"contains","value":"new"}
c: UPDATE aud SET tags = '{}' WHERE id = 2
? {"field":"tags","operator":"contains","value":"new"}

== a new value that becomes visible after later changes
a: SELECT segments.create_index('aud')
? {"field":"word","operator":"equal","value":"late"}
a: BEGIN; INSERT INTO aud VALUES (1001, 1, 'late')
b: INSERT INTO aud VALUES (1002, 1, 'w1')
? {"field":"word","operator":"not_equal","value":"w1"}
a: COMMIT
? {"field":"word","operator":"equal","value":"late"}
? {"field":"word","operator":"not_equal","value":"w1"}

== a new value of a prepared transaction that is rolled back
a: SELECT segments.create_index('aud')
a: BEGIN; INSERT INTO aud VALUES (1001, 1, 'prepared'); PREPARE TRANSACTION 'x'
a: INSERT INTO aud VALUES (1002, 1, 'prepared')
a: ROLLBACK PREPARED 'x'
? {"field":"word","operator":"equal","value":"prepared"}
? {"field":"word","operator":"not_equal","value":"w1"}
b: SELECT count(*) FROM segments.facet('aud', '{"everyone":true}', 'word')

== a new value of a savepoint that is undone
a: SELECT segments.create_index('aud')
a: BEGIN; SAVEPOINT s; INSERT INTO aud VALUES (1001, 1, 'undone'); ROLLBACK TO s; INSERT INTO aud VALUES (1002, 1, 'undone'); COMMIT
? {"field":"word","operator":"equal","value":"undone"}

== a new value that an UPDATE brings where no key is unique
a: CREATE TABLE labels (member bigint, label text); INSERT INTO labels VALUES (1, 'a'), (2, 'a'); SELECT segments.add_membership('aud', 'label', 'labels', 'member', 'label'), segments.create_index('aud')
a: UPDATE labels SET label = 'brought' WHERE member = 1
? {"field":"label","operator":"equal","value":"brought"}
? {"field":"label","operator":"not_equal","value":"a"}

== a value that only those have who are no members, in a sparse index
a: TRUNCATE aud; INSERT INTO aud SELECT i * 1000000007::bigint, i, 'w' FROM generate_series(1, 100) i
a: CREATE TABLE labels (member bigint, label text); INSERT INTO labels VALUES (5, 'only'), (5, 'only'), (1000000007, 'a'); SELECT segments.add_membership('aud', 'label', 'labels', 'member', 'label'), segments.create_index('aud')
a: DELETE FROM labels WHERE ctid = '(0,1)'
? {"field":"label","operator":"equal","value":"a"}
a: INSERT INTO aud VALUES (5, 1, 'w')
? {"field":"label","operator":"equal","value":"only"}

== somebody who is no member is looked up, in a sparse index, and then compacted by another session
a: TRUNCATE aud; INSERT INTO aud SELECT i * 1000000007::bigint, i, 'w' FROM generate_series(1, 100) i
a: CREATE TABLE labels (member bigint, label text); INSERT INTO labels VALUES (5, 'x'), (5, 'x'), (1000000007, 'x'), (2000000014, 'y'); SELECT segments.add_membership('aud', 'label', 'labels', 'member', 'label'), segments.create_index('aud')
a: DELETE FROM labels WHERE ctid = '(0,1)'
c: SELECT segments.compact('aud')
a: INSERT INTO aud VALUES (5, 1, 'w'), (6, 1, 'w')
? {"field":"label","operator":"equal","value":"x"}
c: SELECT segments.compact('aud')
? {"field":"label","operator":"equal","value":"x"}
? {"everyone":true}

== an index that is made of nobody, and then filled with keys that lie far apart
a: TRUNCATE aud; SELECT segments.create_index('aud')
a: INSERT INTO aud SELECT hashint8extended(i, 1), i % 10, 'w' || i % 3 FROM generate_series(1, 1000) i
a: SELECT 1 / (segments.count_by_index('aud', '{"field":"n","operator":"equal","value":1}') = 100)::int
a: SELECT segments.compact('aud'), segments.rebuild_index('aud')
? {"field":"n","operator":"equal","value":1}

== labels of an enum that is a column, renamed and added
a: CREATE TYPE color AS ENUM ('red', 'green'); ALTER TABLE aud ADD color color DEFAULT 'red', ADD colors color[] DEFAULT '{red}'; SELECT segments.create_index('aud')
a: ALTER TYPE color RENAME VALUE 'red' TO 'crimson'; ALTER TYPE color ADD VALUE 'blue' BEFORE 'green'
b: UPDATE aud SET color = 'blue', colors = '{blue,crimson}' WHERE id < 20
? {"field":"color","operator":"equal","value":"crimson"}
? {"field":"color","operator":"less","value":"green"}
? {"field":"colors","operator":"contains","value":"crimson"}

== an older snapshot beside a rebuilding
a: SELECT segments.create_index('aud')
? {"field":"n","operator":"equal","value":1}
b: SELECT segments.count_by_index('aud', '{"field":"n","operator":"equal","value":1}')
b: BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1
a: UPDATE aud SET word = 'w1' WHERE id < 10; SELECT segments.rebuild_index('aud')
? {"field":"word","operator":"equal","value":"w1"}
a: UPDATE aud SET word = 'w3' WHERE id < 10; SELECT segments.compact('aud')
? {"field":"word","operator":"equal","value":"w3"}
b: COMMIT
? {"field":"word","operator":"equal","value":"w3"}

# Keys ---------------------------------------------------------------------------------------------------------------------------------------
== keys far from a dense index's
a: SELECT segments.create_index('aud')
a: INSERT INTO aud VALUES (1000000000000000, 1, 'w1'), (1000000000061440, 1, 'w1'), (-9223372036854775808, 1, 'w1'), (9223372036854775807, 1, 'w1'), (-9223372036854775748, 1, 'w1')
a: SELECT segments.count_by_index('aud', '{"field":"word","operator":"equal","value":"w1"}'), segments.count_by_index('aud', '{"condition":"OR","rules":[{"field":"word","operator":"equal","value":"w1"},{"field":"id","operator":"in_bucket","value":[0,50]}]}')
a: SELECT 1 / (segments.count_by_index('aud', '{"field":"word","operator":"equal","value":"w1"}') = segments.count_by_sql('aud', '{"field":"word","operator":"equal","value":"w1"}'))::int
a: SELECT segments.compact('aud'), segments.rebuild_index('aud')
? {"field":"word","operator":"equal","value":"w1"}

== who is no member lies far away
a: CREATE TABLE labels (member bigint, label text); INSERT INTO labels VALUES (-9223372036854775808, 'a'), (1, 'a'), (9223372036854775807, 'a'); SELECT segments.add_membership('aud', 'label', 'labels', 'member', 'label'), segments.create_index('aud')
a: INSERT INTO labels SELECT member, 'b' FROM labels
? {"field":"label","operator":"equal","value":"b"}
a: DELETE FROM labels WHERE label = 'a'; SELECT segments.compact('aud')
? {"field":"label","operator":"equal","value":"a"}

== a sparse index's cursor while others come and go
a: TRUNCATE aud; INSERT INTO aud SELECT i * 1000000007::bigint, i % 10 FROM generate_series(1, 10) i; SELECT segments.create_index('aud')
b: BEGIN; INSERT INTO aud SELECT i * 1000000007::bigint + 1, i % 10 FROM generate_series(1, 3000) i
a: INSERT INTO aud SELECT i * 1000000007::bigint + 2, i % 10 FROM generate_series(1, 3000) i
a: SET segments.use_index = force; BEGIN; CREATE TABLE seen (key bigint); DECLARE c CURSOR FOR SELECT segments.keys('aud', '{"everyone":true}') AS key, unnest('{1}'::int[]); FETCH 1 FROM c
b: COMMIT
a: SAVEPOINT s; INSERT INTO aud VALUES (1); SELECT segments.count('aud'); ROLLBACK TO s; SELECT segments.count('aud')
a: DO $$ DECLARE r record; c refcursor := 'c'; BEGIN LOOP FETCH c INTO r; EXIT WHEN NOT FOUND; INSERT INTO seen VALUES (r.key); END LOOP; END $$
a: COMMIT; SELECT 1 / (count(DISTINCT key) = 3009 AND count(*) FILTER (WHERE key % 1000000007 = 1) = 0)::int FROM seen
? {"everyone":true}

== the same while the index is built anew
a: TRUNCATE aud; INSERT INTO aud SELECT i * 1000000007::bigint, i % 10 FROM generate_series(1, 3000) i; SELECT segments.create_index('aud')
a: SET segments.use_index = force; BEGIN; CREATE TABLE seen (key bigint); DECLARE c CURSOR FOR SELECT segments.keys('aud', '{"everyone":true}') AS key; FETCH 1 FROM c
b: INSERT INTO aud SELECT i * 1000000007::bigint - 1, i % 10 FROM generate_series(1, 3000) i; SELECT segments.compact('aud'), segments.rebuild_index('aud')
a: SELECT segments.count('aud')
a: DO $$ DECLARE r record; c refcursor := 'c'; BEGIN LOOP FETCH c INTO r; EXIT WHEN NOT FOUND; INSERT INTO seen VALUES (r.key); END LOOP; END $$
a: COMMIT; SELECT 1 / (count(DISTINCT key) = 2999 AND count(*) FILTER (WHERE key % 1000000007 <> 0) = 0)::int FROM seen
? {"everyone":true}

# Snapshots ---------------------------------------------------------------------------------------------------------------------------------
# A transaction that began before somebody was removed still sees him, and the one of the same key whom it adds itself: to SQL he counts twice.
== who was removed is added by a transaction that still sees him
a: SELECT segments.create_index('aud')
b: BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1
a: DELETE FROM aud WHERE id = 7
b: INSERT INTO aud VALUES (7, 7, 'again'), (101, 1, 'w1')
b: SELECT 1 / (segments.count('aud') = 102)::int
? {"everyone":true}
? {"field":"n","operator":"equal","value":7}
b: SELECT 1 / ((SELECT count(*) FROM segments.facet('aud', '{"everyone":true}', 'word') f WHERE f.value = 'again') = 1)::int
b: DELETE FROM aud WHERE word = 'again'
? {"field":"n","operator":"equal","value":7}
b: ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1
a: DELETE FROM aud WHERE id = 8; UPDATE aud SET id = 200 WHERE id = 9
b: UPDATE aud SET id = 8 WHERE id = 10
? {"everyone":true}
b: INSERT INTO aud VALUES (9, 9, 'w1')
? {"field":"word","operator":"equal","value":"w1"}
b: COMMIT
? {"field":"word","operator":"equal","value":"w1"}
? {"everyone":true}

== who was removed is added by a trigger
a: CREATE FUNCTION after() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE aud SET n = 77 WHERE word = NEW.word; RETURN NULL; END $$; CREATE TRIGGER a_after AFTER INSERT ON aud FOR EACH ROW EXECUTE FUNCTION after(); SELECT segments.create_index('aud')
b: BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1
a: DELETE FROM aud WHERE id = 7
b: INSERT INTO aud VALUES (7, 7, 'again')
? {"everyone":true}
? {"field":"n","operator":"greater","value":6}

== who left a list joins and leaves it in a transaction that still sees him in it
a: CREATE TABLE lists (member bigint, list int, since int, PRIMARY KEY (member, list)); INSERT INTO lists SELECT i, 1 FROM generate_series(1, 20) i; SELECT segments.add_membership('aud', 'list', 'lists', 'member', 'list'), segments.create_index('aud')
b: BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1
a: DELETE FROM lists WHERE member <= 4
b: INSERT INTO lists VALUES (1, 1, 5), (2, 1, 5), (30, 1, 5)
? {"list":1}
b: DELETE FROM lists WHERE since = 5 AND member <> 2
? {"list":1}
b: UPDATE lists SET list = 2 WHERE since = 5
? {"list":1}
? {"list":2}
b: COMMIT
? {"list":1}
? {"list":2}

== an older snapshot is asked after a newer one, while somebody has been writing for long
a: SELECT segments.create_index('aud')
long: BEGIN; SELECT txid_current()
c: BEGIN; SAVEPOINT s; UPDATE aud SET n = 20 WHERE id <= 10
a: UPDATE aud SET n = 20 WHERE id = 50
b: BEGIN; DECLARE before_c CURSOR FOR SELECT 1 / (segments.count('aud', '{"field":"n","operator":"equal","value":20}') = 1)::int
c: COMMIT
b: SELECT 1 / (segments.count('aud', '{"field":"n","operator":"equal","value":20}') = 11)::int
b: FETCH before_c
b: SELECT 1 / (segments.count('aud', '{"field":"n","operator":"equal","value":20}') = 11)::int; DECLARE before_a CURSOR FOR SELECT 1 / (segments.count('aud', '{"field":"n","operator":"equal","value":20}') = 11)::int
a: UPDATE aud SET n = 20 WHERE id = 60
b: SELECT 1 / (segments.count('aud', '{"field":"n","operator":"equal","value":20}') = 12)::int
b: FETCH before_a
d: BEGIN; UPDATE aud SET n = 20 WHERE id = 61
a: SELECT txid_current()
b: DECLARE before_d CURSOR FOR SELECT 1 / (segments.count('aud', '{"field":"n","operator":"equal","value":20}') = 12)::int
d: COMMIT
b: SELECT 1 / (segments.count('aud', '{"field":"n","operator":"equal","value":20}') = 13)::int
b: FETCH before_d
b: SELECT 1 / (segments.count('aud', '{"field":"n","operator":"equal","value":20}') = 13)::int; DECLARE before_merge CURSOR FOR SELECT 1 / (segments.count('aud', '{"field":"n","operator":"equal","value":20}') = 13)::int
a: DO $$ BEGIN FOR i IN 1 .. 300 LOOP UPDATE aud SET n = 20 + i % 2 WHERE id = 70; END LOOP; END $$; SELECT segments.compact('aud'); UPDATE aud SET n = 20 WHERE id = 80
b: SELECT 1 / (segments.count('aud', '{"field":"n","operator":"equal","value":20}') = 15)::int
b: FETCH before_merge
b: SELECT 1 / (segments.count('aud', '{"field":"n","operator":"equal","value":20}') = 15)::int; COMMIT
long: COMMIT
? {"field":"n","operator":"equal","value":20}

# Order -------------------------------------------------------------------------------------------------------------------------------------
== who is deleted comes again in the same statement
a: CREATE TABLE lists (member bigint, list int, PRIMARY KEY (member, list)); INSERT INTO lists SELECT i, 1 FROM generate_series(1, 20) i; SELECT segments.add_membership('aud', 'list', 'lists', 'member', 'list'), segments.create_index('aud')
a: WITH gone AS (DELETE FROM aud WHERE id <= 10 RETURNING id) INSERT INTO aud SELECT id, 99, 'again' FROM gone LIMIT 3
? {"everyone":true}
? {"field":"n","operator":"equal","value":99}
a: WITH gone AS (DELETE FROM lists RETURNING member) INSERT INTO lists SELECT member, 1 FROM gone LIMIT 3
? {"list":1}
a: WITH moved AS (UPDATE lists SET list = 2 RETURNING member) INSERT INTO lists SELECT member, 1 FROM moved LIMIT 1
? {"list":1}

== a trigger before the statement writes, and one after each row changes the row again
a: CREATE TABLE noise (x int); CREATE FUNCTION before() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO noise VALUES (1); RETURN NULL; END $$; CREATE TRIGGER a_before BEFORE INSERT ON aud FOR EACH STATEMENT EXECUTE FUNCTION before()
a: CREATE FUNCTION after() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF pg_trigger_depth() = 1 THEN UPDATE aud SET n = 77 WHERE id = NEW.id; END IF; RETURN NULL; END $$; CREATE TRIGGER a_after AFTER INSERT ON aud FOR EACH ROW EXECUTE FUNCTION after(); SELECT segments.create_index('aud')
a: INSERT INTO aud VALUES (1001, 5, 'new')
? {"field":"n","operator":"equal","value":77}
? {"field":"n","operator":"equal","value":5}
? {"field":"word","operator":"equal","value":"new"}

== a trigger after each row changes the row again, in an array and a list as well
a: ALTER TABLE aud ADD tags text[]; CREATE TABLE lists (member bigint, list text, PRIMARY KEY (member, list)); SELECT segments.add_membership('aud', 'list', 'lists', 'member', 'list')
a: CREATE FUNCTION after() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF pg_trigger_depth() = 1 THEN UPDATE aud SET n = 77, word = 'later', tags = '{later}' WHERE id = NEW.id; END IF; RETURN NULL; END $$; CREATE TRIGGER a_after AFTER INSERT ON aud FOR EACH ROW EXECUTE FUNCTION after()
a: CREATE FUNCTION after_list() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF pg_trigger_depth() = 1 THEN INSERT INTO lists VALUES (NEW.member + 1, NEW.list || ' too'); END IF; RETURN NULL; END $$; CREATE TRIGGER a_after AFTER INSERT ON lists FOR EACH ROW EXECUTE FUNCTION after_list(); SELECT segments.create_index('aud')
a: INSERT INTO aud VALUES (1001, 5, 'new', '{new}'); INSERT INTO lists VALUES (1, 'first'), (5, 'second')
? {"field":"word","operator":"equal","value":"later"}
? {"field":"word","operator":"equal","value":"new"}
? {"field":"tags","operator":"contains","value":"later"}
? {"field":"list","operator":"contains","value":"second too"}
? {"field":"list","operator":"not_equal","value":"first"}

== what a trigger does fails, and the statement goes on
a: CREATE FUNCTION after() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF pg_trigger_depth() = 1 THEN BEGIN INSERT INTO aud VALUES (1, 1, 'twice'); EXCEPTION WHEN unique_violation THEN NULL; END; END IF; RETURN NULL; END $$; CREATE TRIGGER a_after AFTER INSERT ON aud FOR EACH ROW EXECUTE FUNCTION after(); SELECT segments.create_index('aud')
a: BEGIN; INSERT INTO aud VALUES (1001, 5, 'new')
? {"field":"n","operator":"equal","value":5}
a: COMMIT
? {"field":"n","operator":"equal","value":5}

== what is unique in a partition is not in the whole
a: CREATE TABLE lists (member bigint, list int, region text) PARTITION BY LIST (region); CREATE TABLE lists_a PARTITION OF lists FOR VALUES IN ('a'); CREATE TABLE lists_b PARTITION OF lists FOR VALUES IN ('b'); CREATE UNIQUE INDEX ON lists_a (member, list)
a: INSERT INTO lists VALUES (1, 7, 'a'), (1, 7, 'b'), (2, 7, 'a'); SELECT segments.add_membership('aud', 'list', 'lists', 'member', 'list'), segments.create_index('aud')
a: DELETE FROM lists_a WHERE member = 1
? {"list":7}

== an audience that is its own event table, and smallint keys
a: DROP TABLE aud; CREATE TABLE aud (id smallint PRIMARY KEY, born timestamptz); INSERT INTO aud SELECT i, now() - i * interval '1 day' FROM generate_series(1, 30) i; SELECT segments.add_events('aud', 'birth', 'aud', 'id', 'born'), segments.create_index('aud')
a: INSERT INTO aud VALUES (31, now() - interval '1 hour'), (32, NULL), (-32768, now()), (32767, '-infinity'); UPDATE aud SET born = now() - interval '400 days' WHERE id < 5; DELETE FROM aud WHERE id = 7; UPDATE aud SET id = 100 WHERE id = 8
? {"event":"birth"}
? {"event":"birth","within":{"last":30,"unit":"day"}}
? {"event":"birth","measure":"first","operator":"greater_than_n_days","value":100}

== more columns than a group of changes holds
a: DO $$ BEGIN EXECUTE 'ALTER TABLE aud ' || (SELECT string_agg('ADD c' || i || ' int', ',') FROM generate_series(1, 130) i); END $$; SELECT segments.create_index('aud')
a: INSERT INTO aud (id, c1, c64, c65, c128, c129, c130) SELECT i, i % 3, i % 3, i % 3, 1, 2, i % 3 FROM generate_series(151, 250) i; UPDATE aud SET c130 = 9, c1 = 8 WHERE id % 7 = 0; DELETE FROM aud WHERE id % 11 = 0
? {"condition":"OR","rules":[{"field":"c1","operator":"equal","value":8},{"field":"c64","operator":"equal","value":2},{"field":"c65","operator":"equal","value":1}]}
? {"condition":"AND","rules":[{"field":"c128","operator":"equal","value":1},{"field":"c129","operator":"equal","value":2},{"field":"c130","operator":"not_equal","value":9}]}

# Transactions ---------------------------------------------------------------------------------------------------------------------------------
== TRUNCATE in a savepoint, and in a prepared transaction
a: CREATE TABLE lists (member bigint REFERENCES aud ON DELETE CASCADE, list int, PRIMARY KEY (member, list)); INSERT INTO lists SELECT i, 1 FROM generate_series(1, 20) i; SELECT segments.add_membership('aud', 'list', 'lists', 'member', 'list'), segments.create_index('aud')
a: BEGIN; SAVEPOINT s; TRUNCATE aud CASCADE; INSERT INTO aud VALUES (1, 1, 'x'); INSERT INTO lists VALUES (1, 1); ROLLBACK TO s; DELETE FROM lists WHERE member < 5; COMMIT
? {"list":1}
a: BEGIN; TRUNCATE lists; PREPARE TRANSACTION 'x'; UPDATE aud SET n = 5 WHERE id < 50; ROLLBACK PREPARED 'x'
? {"condition":"OR","rules":[{"list":1},{"field":"n","operator":"equal","value":5}]}

== two tables of one index are truncated at once
a: CREATE TABLE lists (member bigint, list int); CREATE TABLE visits (member bigint, at timestamptz); SELECT segments.add_membership('aud', 'list', 'lists', 'member', 'list'), segments.add_events('aud', 'visits', 'visits', 'member', 'at'), segments.create_index('aud')
a: BEGIN; TRUNCATE lists
b&: TRUNCATE visits
a: COMMIT
b.:
x? truncated: {"everyone":true}

== a table is truncated while the index is compacted
a: CREATE TABLE lists (member bigint, list int); SELECT segments.add_membership('aud', 'list', 'lists', 'member', 'list'), segments.create_index('aud')
a: INSERT INTO aud SELECT i, i % 10, 'w' FROM generate_series(1000, 9000) i; BEGIN; SELECT segments.compact('aud')
b&: TRUNCATE lists
a: COMMIT
b.:
x? truncated: {"everyone":true}

== an index is built in a transaction that writes
a: BEGIN; INSERT INTO aud VALUES (1001, 1, 'v'); SAVEPOINT s; SELECT segments.create_index('aud'); INSERT INTO aud VALUES (1002, 1, 'v2'); ROLLBACK TO s; INSERT INTO aud VALUES (1003, 1, 'v3'); SELECT segments.create_index('aud'); INSERT INTO aud VALUES (1004, 1, 'v4'); COMMIT
? {"field":"word","operator":"begins_with","value":"v"}

== an index is compacted in a transaction that writes, and half of it undone
a: SELECT segments.create_index('aud'); INSERT INTO aud SELECT i, i % 10, 'new' FROM generate_series(1000, 6000) i
a: BEGIN; UPDATE aud SET word = 'changed' WHERE id < 3000; SAVEPOINT s; SELECT segments.compact('aud'); UPDATE aud SET n = 3; SELECT segments.compact('aud'); ROLLBACK TO s; DELETE FROM aud WHERE id BETWEEN 2000 AND 2500; SELECT segments.compact('aud')
? {"everyone":true}
a: COMMIT
? {"condition":"OR","rules":[{"field":"word","operator":"equal","value":"changed"},{"field":"n","operator":"equal","value":3}]}

== compactions beside an open transaction, in order of the changes
a: SELECT segments.create_index('aud')
a: BEGIN; UPDATE aud SET n = 50 WHERE id = 1
b: DO $$ BEGIN FOR i IN 1 .. 40 LOOP UPDATE aud SET n = i WHERE id = 2; COMMIT; END LOOP; END $$; SELECT segments.compact('aud')
? {"field":"n","operator":"greater","value":30}
a: UPDATE aud SET n = 51 WHERE id = 1; COMMIT
b: DO $$ BEGIN FOR i IN 1 .. 40 LOOP UPDATE aud SET n = 60 + i WHERE id IN (1, 2); COMMIT; END LOOP; END $$; SELECT segments.compact('aud')
? {"field":"n","operator":"greater","value":30}

== write skew between serializable transactions
a: CREATE TABLE lists (member bigint, list int, PRIMARY KEY (member, list)); SELECT segments.add_membership('aud', 'list', 'lists', 'member', 'list'), segments.create_index('aud')
? {"list":1}
a: BEGIN ISOLATION LEVEL SERIALIZABLE; SET segments.use_index = force; SELECT segments.count('aud', '{"list":1}')
b: BEGIN ISOLATION LEVEL SERIALIZABLE; SET segments.use_index = force; SELECT segments.count('aud', '{"list":1}'); INSERT INTO lists VALUES (2, 1)
a: INSERT INTO lists VALUES (1, 1); COMMIT
b! 40001: COMMIT

== write skew over partitions
a: DROP TABLE aud; CREATE TABLE aud (id bigint PRIMARY KEY, n int) PARTITION BY HASH (id); CREATE TABLE aud_0 PARTITION OF aud FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE aud_1 PARTITION OF aud FOR VALUES WITH (MODULUS 2, REMAINDER 1); INSERT INTO aud SELECT i, i % 10 FROM generate_series(1, 100) i; SELECT segments.create_index('aud')
? {"field":"n","operator":"equal","value":50}
a: BEGIN ISOLATION LEVEL SERIALIZABLE; SET segments.use_index = force; SELECT segments.count('aud', '{"field":"n","operator":"equal","value":50}')
b: BEGIN ISOLATION LEVEL SERIALIZABLE; SET segments.use_index = force; SELECT segments.count('aud', '{"field":"n","operator":"equal","value":50}'); INSERT INTO aud VALUES (1002, 50)
a: INSERT INTO aud VALUES (1001, 50); COMMIT
b! 40001: COMMIT

== the numbers of rows written differ between partition and whole
a: DROP TABLE aud; CREATE TABLE aud (id bigint PRIMARY KEY, n int, word text) PARTITION BY RANGE (id); CREATE TABLE aud_0 (gone int, word text, n int, id bigint NOT NULL); ALTER TABLE aud_0 DROP COLUMN gone; ALTER TABLE aud ATTACH PARTITION aud_0 FOR VALUES FROM (0) TO (100); CREATE TABLE aud_1 PARTITION OF aud DEFAULT
a: INSERT INTO aud SELECT i, i % 10, 'w' || i % 3 FROM generate_series(1, 200) i; SELECT segments.create_index('aud')
a: UPDATE aud_0 SET n = 30, word = 'direct' WHERE id < 10; INSERT INTO aud_0 (word, n, id) VALUES ('direct', 31, 0); DELETE FROM aud_0 WHERE id = 50; UPDATE aud SET id = id + 200 WHERE id = 99; UPDATE aud SET id = 300 WHERE id = 60
? {"condition":"OR","rules":[{"field":"n","operator":"greater","value":9},{"field":"word","operator":"equal","value":"w1"}]}

== a generated column, also where partitions have another order of columns
a: DROP TABLE aud; CREATE TABLE aud (id bigint PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) STORED) PARTITION BY HASH (id); CREATE TABLE aud_0 (twice int GENERATED ALWAYS AS (n * 2) STORED, n int, id bigint NOT NULL); ALTER TABLE aud ATTACH PARTITION aud_0 FOR VALUES WITH (MODULUS 1, REMAINDER 0)
a: INSERT INTO aud SELECT i, i % 10 FROM generate_series(1, 50) i; SELECT segments.create_index('aud')
a: INSERT INTO aud VALUES (60, 30), (1, 30) ON CONFLICT (id) DO UPDATE SET n = excluded.n; UPDATE aud SET n = 20 WHERE id < 5; UPDATE aud_0 SET n = 21 WHERE id < 8; INSERT INTO aud SELECT i, 40 FROM generate_series(70, 80) i
? {"field":"twice","operator":"greater","value":8}
a: MERGE INTO aud USING (VALUES (61, 33), (2, 2)) s (id, n) ON aud.id = s.id WHEN MATCHED THEN UPDATE SET n = s.n WHEN NOT MATCHED THEN INSERT (id, n) VALUES (s.id, s.n)
? {"field":"twice","operator":"greater","value":8}

== the background mends what is stale
a: SET segments.auto_compact = on; SELECT segments.create_index('aud')
a: INSERT INTO aud SELECT hashint8extended(i, 7), i % 10, 'w' FROM generate_series(1, 200) i
a: DO $$ BEGIN FOR i IN 1 .. 300 LOOP IF (SELECT usable FROM segments.index_status) THEN RETURN; END IF; PERFORM pg_sleep(0.1); END LOOP; RAISE 'not mended'; END $$
? {"field":"n","operator":"less","value":5}
a: TRUNCATE aud
a: DO $$ BEGIN FOR i IN 1 .. 300 LOOP IF (SELECT usable FROM segments.index_status) THEN RETURN; END IF; PERFORM pg_sleep(0.1); END LOOP; RAISE 'not mended'; END $$
a: SET segments.auto_compact = off; ALTER TABLE aud DISABLE TRIGGER segments_index_insert; INSERT INTO aud VALUES (1, 1, 'w'); ALTER TABLE aud ENABLE ALWAYS TRIGGER segments_index_insert
a: SET segments.auto_compact = on; INSERT INTO aud VALUES (2, 1, 'w')
a: DO $$ BEGIN FOR i IN 1 .. 300 LOOP IF (SELECT usable FROM segments.index_status) THEN RETURN; END IF; PERFORM pg_sleep(0.1); END LOOP; RAISE 'not mended'; END $$
? {"field":"n","operator":"less","value":5}

== values that a session has not seen yet, of members to be looked up
a: CREATE TABLE labels (member bigint, label text); INSERT INTO labels SELECT i, 'l' || i % 3 FROM generate_series(1, 60) i
a: SELECT segments.add_membership('aud', 'label', 'labels', 'member', 'label'), segments.create_index('aud')
b: SELECT segments.count_by_index('aud', '{"field":"label","operator":"contains","value":"l"}'), segments.count_by_index('aud', '{"field":"word","operator":"equal","value":"w1"}')
a: UPDATE labels SET label = 'new' WHERE member < 10
b: SELECT 1 / (segments.count_by_index('aud', '{"field":"label","operator":"equal","value":"new"}') = 9)::int; SELECT segments.compact('aud')
? {"field":"label","operator":"is_empty"}
a: DELETE FROM labels WHERE member < 20
? {"field":"label","operator":"is_empty"}
b: SELECT segments.compact('aud')
? {"field":"label","operator":"equal","value":"new"}

== columns that are asked again after many changes
a: INSERT INTO aud SELECT i, i % 10, 'w' FROM generate_series(101, 20000) i; SELECT segments.create_index('aud'); UPDATE aud SET n = n + 20 WHERE id % 2 = 0; UPDATE aud SET n = NULL WHERE id % 16 = 3
? {"field":"n","operator":"between","value":[5,22]}
? {"condition":"OR","rules":[{"field":"n","operator":"greater","value":27},{"field":"n","operator":"is_null"}]}
a: UPDATE aud SET n = n - 15 WHERE id % 40 = 0; UPDATE aud SET n = NULL WHERE id % 50 = 2; UPDATE aud SET n = 3 WHERE id % 160 = 3
? {"condition":"OR","rules":[{"field":"n","operator":"in","value":[3,7,24,28]},{"field":"n","operator":"is_null"}]}
? {"semantics":"sql","condition":"AND","not":true,"rules":[{"field":"n","operator":"less","value":25}]}
a: UPDATE aud SET n = n - 100 WHERE id % 4 = 0
? {"field":"n","operator":"less","value":-75}
? {"field":"n","operator":"greater","value":-72}
a: BEGIN; UPDATE aud SET n = n + 1000 WHERE id % 3 = 0
? {"field":"n","operator":"greater","value":1003}
a: ROLLBACK
? {"field":"n","operator":"greater","value":3}

== a MERGE that updates after it has inserted
a: CREATE TABLE lists (member bigint, list int, PRIMARY KEY (member, list)) PARTITION BY HASH (member); CREATE TABLE lists_0 PARTITION OF lists FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE lists_1 PARTITION OF lists FOR VALUES WITH (MODULUS 2, REMAINDER 1)
a: SELECT segments.add_membership('aud', 'list', 'lists', 'member', 'list'), segments.create_index('aud'); INSERT INTO lists SELECT i, 4 + i % 2 FROM generate_series(50, 60) i; SET enable_hashjoin = off; SET enable_mergejoin = off
a: MERGE INTO lists l USING (SELECT i AS member FROM generate_series(40, 100) i) s ON l.member = s.member AND l.list = 4 WHEN MATCHED AND l.member % 3 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET list = 5 WHEN NOT MATCHED THEN INSERT VALUES (s.member, 4)
? {"list":5}
? {"list":4}
a: MERGE INTO lists l USING (SELECT i AS member FROM generate_series(1, 100) i) s ON l.member = s.member AND l.list = 4 WHEN MATCHED THEN UPDATE SET list = 77 WHEN NOT MATCHED THEN INSERT VALUES (s.member, 6)
? {"list":77}
a: SELECT segments.compact('aud')
? {"list":77}
a: DELETE FROM lists WHERE member > 20
? {"field":"list","operator":"is_empty"}

== the same of an audience, and of events
a: DROP TABLE aud; CREATE TABLE aud (id bigint PRIMARY KEY, n int) PARTITION BY HASH (id); CREATE TABLE aud_0 PARTITION OF aud FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE aud_1 PARTITION OF aud FOR VALUES WITH (MODULUS 2, REMAINDER 1)
a: CREATE TABLE visits (member bigint, at timestamptz) PARTITION BY HASH (member); CREATE TABLE visits_0 PARTITION OF visits FOR VALUES WITH (MODULUS 1, REMAINDER 0); SELECT segments.add_events('aud', 'visits', 'visits', 'member', 'at')
a: INSERT INTO aud SELECT i, i % 10 FROM generate_series(1, 100) i; INSERT INTO visits SELECT i, now() - interval '40 days' FROM generate_series(50, 60) i; SELECT segments.create_index('aud'); SET enable_hashjoin = off; SET enable_mergejoin = off
a: MERGE INTO aud USING generate_series(95, 120) s (id) ON aud.id = 214 - s.id WHEN MATCHED THEN UPDATE SET n = 50 WHEN NOT MATCHED THEN INSERT VALUES (s.id + 1000, 60)
? {"condition":"OR","rules":[{"field":"n","operator":"equal","value":50},{"field":"n","operator":"equal","value":4}]}
a: MERGE INTO visits USING generate_series(40, 70) s (id) ON visits.member = s.id WHEN MATCHED THEN UPDATE SET at = now() - interval '10 days' WHEN NOT MATCHED THEN INSERT VALUES (s.id, now() - interval '20 days')
? {"condition":"OR","rules":[{"event":"visits","measure":"last","operator":"greater_than_n_days","value":15},{"field":"n","operator":"equal","value":60}]}

== a MERGE that moves members to other partitions
a: DROP TABLE aud; CREATE TABLE aud (id bigint PRIMARY KEY, n int) PARTITION BY HASH (id); CREATE TABLE aud_0 PARTITION OF aud FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE aud_1 PARTITION OF aud FOR VALUES WITH (MODULUS 2, REMAINDER 1)
a: INSERT INTO aud SELECT i, i % 10 FROM generate_series(1, 100) i; SELECT segments.create_index('aud')
a: MERGE INTO aud USING generate_series(1, 30) s (id) ON aud.id = s.id WHEN MATCHED THEN UPDATE SET id = aud.id + 1000
x? may have moved rows of table aud: {"field":"n","operator":"less","value":5}
a: MERGE INTO aud USING generate_series(1031, 1060) s (id) ON aud.id = s.id - 1000 WHEN MATCHED THEN UPDATE SET id = s.id WHEN NOT MATCHED THEN INSERT VALUES (s.id, 3)
x? may have moved rows of table aud: {"field":"n","operator":"less","value":5}
a: DO $$ BEGIN UPDATE aud SET id = id + 2000 WHERE id > 90; INSERT INTO aud VALUES (61, 40), (3001, 1) ON CONFLICT (id) DO UPDATE SET n = excluded.n; END $$
? {"condition":"OR","rules":[{"field":"n","operator":"less","value":5},{"field":"n","operator":"equal","value":40}]}
a: CREATE TRIGGER unchanged BEFORE UPDATE ON aud FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger(); CREATE FUNCTION change() RETURNS int LANGUAGE sql AS 'WITH c AS (UPDATE aud SET n = 45 WHERE id = 62) SELECT 1'; SELECT change(); DO $$ BEGIN UPDATE aud SET n = 41 WHERE id = 63; END $$
? {"condition":"OR","rules":[{"field":"n","operator":"less","value":5},{"field":"n","operator":"equal","value":45}]}
a: CREATE TABLE moves (id bigint REFERENCES aud ON UPDATE CASCADE, list int, PRIMARY KEY (id, list)) PARTITION BY HASH (id); CREATE TABLE moves_0 PARTITION OF moves FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE moves_1 PARTITION OF moves FOR VALUES WITH (MODULUS 2, REMAINDER 1)
a: INSERT INTO moves SELECT i, 1 FROM generate_series(61, 80) i; SELECT segments.drop_index('aud'), segments.add_membership('aud', 'move', 'moves', 'id', 'list'), segments.create_index('aud'); UPDATE aud SET id = id + 4000 WHERE id BETWEEN 70 AND 75
? {"field":"move","operator":"equal","value":1}

== statements that change more than work_mem holds
a: ALTER TABLE aud ADD tags int[]; CREATE TABLE lists (member bigint, list int, PRIMARY KEY (member, list)); CREATE TABLE labels (member bigint, label text); CREATE TABLE visits (member bigint, at timestamptz)
a: SELECT segments.add_membership('aud', 'list', 'lists', 'member', 'list'), segments.add_membership('aud', 'label', 'labels', 'member', 'label'), segments.add_events('aud', 'visits', 'visits', 'member', 'at'), segments.create_index('aud')
a: SET work_mem = '64kB'; INSERT INTO aud SELECT i, i % 10, repeat('w', i % 50), ARRAY[i % 5, i % 7] FROM generate_series(1000, 30000) i; INSERT INTO lists SELECT i, i % 4 FROM generate_series(1, 20000) i; INSERT INTO labels SELECT * FROM lists; INSERT INTO visits SELECT i, now() FROM generate_series(1, 20000) i
? {"condition":"AND","rules":[{"list":1},{"field":"tags","operator":"contains","value":3}]}
a: UPDATE aud SET n = n + 1, tags = NULL WHERE id % 3 = 0; UPDATE lists SET list = list + 1 WHERE member % 3 = 0; UPDATE labels SET label = label || '!' WHERE member % 3 = 1; UPDATE visits SET at = at - interval '1 day' WHERE member % 2 = 0
? {"condition":"OR","rules":[{"list":2},{"field":"tags","operator":"contains","value":3},{"field":"n","operator":"equal","value":4},{"event":"visits","operator":"equal","value":0}]}
a: UPDATE aud SET id = id + 100000 WHERE id % 7 = 0; DELETE FROM aud WHERE id % 5 = 0; DELETE FROM lists WHERE member % 5 = 0; DELETE FROM labels WHERE member % 5 = 0; DELETE FROM visits WHERE member % 5 = 0
? {"condition":"OR","rules":[{"list":2},{"field":"label","operator":"contains","value":"!"},{"field":"n","operator":"equal","value":4},{"event":"visits","operator":"equal","value":0}]}

== values at the ends
a: ALTER TABLE aud ADD big bigint, ADD ratio float8, ADD money numeric(8,2), ADD day date, ADD local timestamp, ADD instant timestamptz, ADD tags text[]; SELECT segments.create_index('aud')
a: INSERT INTO aud VALUES (201, 1, repeat('x', 100000), 9223372036854775807, 'NaN', 'NaN', 'infinity', '-infinity', 'infinity', '{a,b,NULL,a}'), (202, NULL, '', -9223372036854775808, '-0', 0.01, '-infinity', 'infinity', '-infinity', '{}'), (-5, 2147483647, NULL, 0, '-infinity', -999999.99, '0044-03-15 BC', now(), now(), '{{a,b},{c,d}}')
a: UPDATE aud SET ratio = -ratio, money = -money WHERE id = 202; SELECT segments.compact('aud')
? {"condition":"OR","rules":[{"field":"big","operator":"greater","value":9223372036854775806},{"field":"big","operator":"less","value":-9223372036854775807.5}]}
? {"condition":"OR","rules":[{"field":"ratio","operator":"greater","value":0},{"field":"ratio","operator":"equal","value":0},{"field":"money","operator":"less","value":0.005}]}
? {"condition":"OR","rules":[{"field":"day","operator":"less_than_n_days","value":5},{"field":"day","operator":"less","value":"2024-01-01"},{"field":"local","operator":"in_next_n_days","value":5},{"field":"local","operator":"greater_than_n_days","value":5}]}
? {"condition":"OR","rules":[{"field":"instant","operator":"greater","value":"2024-01-01"},{"field":"instant","operator":"anniversary_in_n_days","value":0},{"field":"tags","operator":"contains","value":"a"}]}
? {"semantics":"sql","condition":"AND","not":true,"rules":[{"field":"word","operator":"equal","value":""},{"field":"tags","operator":"is_empty"}]}
SCENES

# 32 buffers, half as many as a wide column has slices: a backend pins no more of them than leave some to others.
for my $shape (qw(plain sparse)) {
    torture_database($node, "little_$shape", $shape);
    $node->safe_psql("little_$shape", q(UPDATE aud SET big = hashint8extended(id, 1); SELECT segments.rebuild_index('aud')));
}
$node->append_conf('postgresql.conf', "shared_buffers = '256kB'\nautovacuum = off");
$node->restart;
for my $shape (qw(plain sparse)) {
    $node->safe_psql("little_$shape", 'UPDATE aud SET n = n + 1, big = hashint8extended(id, 2) WHERE id > 0');
    is(last_look($node, "little_$shape"), '', "$shape, by few buffers");
}

is(server_fell($node), '', 'the server never fell');
$node->stop;
done_testing();
