#!/usr/bin/python3
"""The corpus: MySQL and MariaDB statements, one a line; prints them when run.

The world they are about is in tests/e2e/test_mysql_parser.py: tables t and u, a view v, a sequence s, functions counts() and
changes(), a procedure p.
"""

SCALARS = """
ABS(-a)|ACOS(0.5)|ADDDATE(d, 3)|ADDDATE(d, INTERVAL 3 DAY)|ADDTIME('01:00:00', '00:30:00')|AES_ENCRYPT(c, 'key')|ASCII(c)|ASIN(0.5)|ATAN(1)|ATAN(1, 2)|ATAN2(1, 2)
BENCHMARK(2, 1 + 1)|BIN(a)|BIT_COUNT(a)|BIT_LENGTH(c)|CEIL(e)|CEILING(e)|CHAR(77, 121, 83)|CHAR(77 USING utf8mb4)|CHAR_LENGTH(c)|CHARACTER_LENGTH(c)|CHARSET(c)
COALESCE(NULL, a, b)|COERCIBILITY(c)|COLLATION(c)|COMPRESS(c)|CONCAT(c, '-', a)|CONCAT_WS(',', c, NULL, a)|CONV(a, 10, 16)|CONVERT_TZ(d, '+00:00', '+02:00')
COS(1)|COT(1)|CRC32(c)|CURDATE()|CURRENT_DATE|CURRENT_DATE()|CURRENT_TIME|CURRENT_TIME(3)|CURRENT_TIMESTAMP|CURRENT_TIMESTAMP(6)|CURRENT_USER|CURRENT_USER()|CURTIME()|CURTIME(2)
DATABASE()|DATE(d)|DATE_ADD(d, INTERVAL -1 MONTH)|DATE_FORMAT(d, '%Y-%m-%d %H:%i:%s')|DATE_SUB(d, INTERVAL '1:30' MINUTE_SECOND)|DATEDIFF(d, '2020-01-01')|DAY(d)|DAYNAME(d)|DAYOFMONTH(d)|DAYOFWEEK(d)|DAYOFYEAR(d)
DEGREES(PI())|ELT(2, 'a', 'b', 'c')|EXP(1)|EXPORT_SET(5, 'Y', 'N', ',', 4)|EXTRACT(YEAR_MONTH FROM d)|EXTRACTVALUE('<a>1</a>', '/a')|FIELD(c, 'a', 'b')|FIND_IN_SET('b', 'a,b')|FLOOR(e)|FORMAT(e, 2)|FORMAT(e, 2, 'de_DE')
FROM_BASE64('YWJj')|FROM_DAYS(738000)|FROM_UNIXTIME(1600000000)|FROM_UNIXTIME(1600000000, '%Y')|GET_FORMAT(DATE, 'EUR')|GET_FORMAT(DATETIME, 'ISO')|GREATEST(a, b, 3)|HEX(c)|HOUR(d)|IF(a > 1, 'x', 'y')|IFNULL(a, 0)
INET_ATON('10.0.0.1')|INET_NTOA(167772161)|INET6_ATON('::1')|INET6_NTOA(UNHEX('00000000000000000000000000000001'))|INSERT('Quadratic', 3, 4, 'What')|INSTR(c, 'a')|INTERVAL(23, 1, 15, 17)|IS_IPV4('1.2.3.4')|IS_IPV6('::1')|ISNULL(a)
JSON_ARRAY(1, 'a', NULL)|JSON_CONTAINS(j, '1', '$.a')|JSON_CONTAINS_PATH(j, 'one', '$.a', '$.b')|JSON_DEPTH(j)|JSON_EXTRACT(j, '$.a')|JSON_INSERT(j, '$.x', 1)|JSON_KEYS(j)|JSON_LENGTH(j)|JSON_MERGE_PATCH(j, '{}')|JSON_MERGE_PRESERVE(j, '{}')|JSON_OBJECT('a', 1, 'b', a)
JSON_QUOTE(c)|JSON_REMOVE(j, '$.a')|JSON_REPLACE(j, '$.a', 2)|JSON_SEARCH(j, 'all', 'x')|JSON_SET(j, '$.a', 3)|JSON_TYPE(j)|JSON_UNQUOTE(JSON_EXTRACT(j, '$.a'))|JSON_VALID(c)|JSON_VALUE(j, '$.a')|JSON_QUERY(j, '$.a')|JSON_EXISTS(j, '$.a')|JSON_DETAILED(j)|JSON_COMPACT(j)|JSON_LOOSE(j)|JSON_ARRAY_APPEND(j, '$', 1)
LAST_DAY(d)|LCASE(c)|LEAST(a, b)|LEFT(c, 3)|LENGTH(c)|LN(2)|LOCALTIME|LOCALTIME()|LOCALTIMESTAMP|LOCALTIMESTAMP(3)|LOCATE('a', c)|LOCATE('a', c, 2)|LOG(2)|LOG(2, 65536)|LOG10(100)|LOG2(8)|LOWER(c)|LPAD(c, 10, '?')|LTRIM(c)|MAKE_SET(1 | 4, 'a', 'b', 'c')|MAKEDATE(2020, 32)|MAKETIME(12, 15, 30)
MD5(c)|MICROSECOND(d)|MID(c, 2, 3)|MINUTE(d)|MOD(a, 3)|MONTH(d)|MONTHNAME(d)|NAME_CONST('x', 14)|NOW()|NOW(6)|NULLIF(a, b)|OCT(a)|OCTET_LENGTH(c)|ORD(c)|PASSWORD('x')|PERIOD_ADD(202001, 2)|PERIOD_DIFF(202003, 202001)|PI()|POSITION('a' IN c)|POW(2, 3)|POWER(2, 3)|QUARTER(d)|QUOTE(c)|RADIANS(90)|RAND()|RAND(a)
REGEXP_INSTR(c, 'a')|REGEXP_REPLACE(c, 'a', 'b')|REGEXP_SUBSTR(c, '[a-z]+')|REPEAT(c, 2)|REPLACE(c, 'a', 'b')|REVERSE(c)|RIGHT(c, 2)|ROUND(e)|ROUND(e, 1)|RPAD(c, 10, '?')|RTRIM(c)|SCHEMA()|SEC_TO_TIME(3600)|SECOND(d)|SESSION_USER()|SHA1(c)|SHA(c)|SHA2(c, 256)|SIGN(a)|SIN(1)|SLEEP(0)|SOUNDEX(c)|SPACE(3)|SQRT(16)
STR_TO_DATE('2020-01-02', '%Y-%m-%d')|STRCMP(c, 'x')|SUBDATE(d, 31)|SUBDATE(d, INTERVAL 1 YEAR)|SUBSTR(c, 2)|SUBSTR(c, 2, 3)|SUBSTR(c FROM 2)|SUBSTRING(c, -2)|SUBSTRING(c FROM 2 FOR 3)|SUBSTRING_INDEX('www.a.org', '.', 2)|SUBTIME('10:00', '01:00')|SYSDATE()|SYSDATE(3)|SYSTEM_USER()|TAN(1)|TIME(d)|TIME_FORMAT('10:00', '%H')|TIME_TO_SEC('01:00')|TIMEDIFF('10:00', '09:00')|TIMESTAMP(d)|TIMESTAMP('2020-01-01', '10:00')
TIMESTAMPADD(MINUTE, 1, d)|TIMESTAMPADD(SQL_TSI_DAY, 2, d)|TIMESTAMPDIFF(MONTH, '2020-01-01', d)|TO_BASE64(c)|TO_DAYS(d)|TO_SECONDS(d)|TRIM(c)|TRIM('x' FROM c)|TRIM(BOTH 'x' FROM c)|TRIM(LEADING 'x' FROM c)|TRIM(TRAILING FROM c)|TRUNCATE(e, 1)|UCASE(c)|UNCOMPRESS(COMPRESS('x'))|UNCOMPRESSED_LENGTH(COMPRESS('x'))|UNHEX('4D')|UNIX_TIMESTAMP()|UNIX_TIMESTAMP(d)|UPDATEXML('<a/>', '/a', '<b/>')|UPPER(c)|USER()|UTC_DATE|UTC_DATE()|UTC_TIME|UTC_TIME(2)|UTC_TIMESTAMP|UTC_TIMESTAMP(1)|UUID()|VERSION()|WEEK(d)|WEEK(d, 3)|WEEKDAY(d)|WEEKOFYEAR(d)|WEIGHT_STRING(c)|WEIGHT_STRING(c AS CHAR(4))|WEIGHT_STRING(c AS BINARY(8))|YEAR(d)|YEARWEEK(d)|YEARWEEK(d, 1)
CAST(a AS CHAR)|CAST(a AS CHAR(3))|CAST(a AS CHAR(3) CHARACTER SET utf8mb4)|CAST(c AS BINARY)|CAST(c AS BINARY(4))|CAST(c AS SIGNED)|CAST(c AS SIGNED INTEGER)|CAST(c AS UNSIGNED)|CAST(c AS DECIMAL)|CAST(c AS DECIMAL(10, 2))|CAST(d AS DATE)|CAST(d AS TIME(3))|CAST(c AS DATETIME)|CAST(a AS DOUBLE)|CAST(a AS FLOAT)|CAST(c AS INTEGER)|CAST(a AS VARCHAR(10))|CONVERT(a, CHAR)|CONVERT(c, UNSIGNED)|CONVERT(c USING latin1)|CONVERT(c USING BINARY)|BINARY c|c COLLATE utf8mb4_bin|_latin1'abc'|_utf8mb4 x'41'|N'abc'|x'4142'|X'4142'|0x4142|b'101'|B'11'|0b101|1.5|.5|1.|1e3|1.5E-3|18446744073709551615|18446744073709551616|-1|+1|- -1|~a|!a|NOT a|\\N|NULL|TRUE|FALSE|'it''s'|"quo\\"ted"|"a""b"|'a' 'b' 'c'|'back\\\\slash'|'%\\_'
a + b|a - b|a * b|a / b|a DIV b|a % b|a MOD b|a & b|a \\| b|a ^ b|a << 2|a >> 2|a = b|a <=> b|a <> b|a != b|a < b|a <= b|a > b|a >= b|a AND b|a && b|a OR b|a \\|\\| b|a XOR b|a IS NULL|a IS NOT NULL|a IS TRUE|a IS NOT FALSE|a IS UNKNOWN|a BETWEEN 1 AND 3|a NOT BETWEEN 1 AND b + 1|c LIKE 'a%'|c NOT LIKE '%!%' ESCAPE '!'|c REGEXP '^a'|c NOT REGEXP 'b'|c RLIKE 'a'|c SOUNDS LIKE 'ab'|a IN (1, 2, 3)|a NOT IN (1, NULL)|(a, b) = (1, 2)|(a, b) IN ((1, 2), (3, 4))|ROW(a, b) = ROW(1, 2)|(a, b) <=> (1, NULL)
CASE a WHEN 1 THEN 'x' ELSE 'y' END|CASE WHEN a > 1 THEN 'x' WHEN a < 0 THEN 'z' END|CASE WHEN a = 1 THEN CASE b WHEN 2 THEN 3 END END|d + INTERVAL 1 DAY|d - INTERVAL '1 2' DAY_HOUR|INTERVAL 1 HOUR + d|DATE '2020-01-01'|TIME '10:00:00'|TIMESTAMP '2020-01-01 10:00:00'|{d '2020-01-01'}|{t '10:00:00'}|{ts '2020-01-01 10:00:00'}|(SELECT 1)|(SELECT MAX(a) FROM u)|EXISTS (SELECT 1 FROM u WHERE u.id = t.id)|NOT EXISTS (SELECT * FROM u)|a IN (SELECT id FROM u)|a = ANY (SELECT id FROM u)|a > ALL (SELECT id FROM u)|a <> SOME (SELECT id FROM u)|(a, b) IN (SELECT id, a FROM u)|((SELECT 1) UNION (SELECT 2) LIMIT 1)|(SELECT 1 UNION SELECT 1)|(a)|((a))|-(a)|-(-a)|NOT NOT a|a = b = 1|a < b < c|1 + 2 * 3 - 4 / 5|(1 + 2) * 3|a = 1 AND b = 2 OR c = 'x'|NOT a = 1|counts(1)|shop.counts(2)|`counts`(3)|@@version|@@session.sql_mode|@@sql_mode|@@local.autocommit|@@max_allowed_packet|@nothing|t.a|shop.t.a|`t`.`a`|t . a|`shop` . `t` . `a`|.t.a
ST_ASTEXT(ST_GEOMFROMTEXT('POINT(1 2)'))|ST_X(POINT(1, 2))|ST_DISTANCE(POINT(0, 0), POINT(3, 4))|POINT(1, 2)|LINESTRING(POINT(0, 0), POINT(1, 1))|POLYGON(LINESTRING(POINT(0, 0), POINT(1, 0), POINT(1, 1), POINT(0, 0)))|ST_CONTAINS(ST_GEOMFROMTEXT('POLYGON((0 0,2 0,2 2,0 2,0 0))'), POINT(1, 1))|GEOMETRYCOLLECTION(POINT(1, 1))|MBRCONTAINS(POINT(1, 1), POINT(1, 1))|COLUMN_GET(COLUMN_CREATE('x', 1 AS INT), 'x' AS INT)|COLUMN_JSON(COLUMN_CREATE('x', 1, 'y', 'z'))|COLUMN_LIST(COLUMN_CREATE('x', 1))|NVL(a, 1)|NVL2(a, 1, 2)|CHR(65)|LENGTHB(c)|TO_CHAR(d, 'YYYY-MM-DD')|ADD_MONTHS(d, 1)|SFORMAT('{} {}', a, b)|NATURAL_SORT_KEY(c)|ROWNUM()|CRC32C(c)|DES_ENCRYPT('x')|ENCODE('a', 'b')|DECODE('a', 'b')|RANDOM_BYTES(4)|MATCH (g) AGAINST ('word')|MATCH (g) AGAINST ('+word -other' IN BOOLEAN MODE)|MATCH g AGAINST ('word' IN NATURAL LANGUAGE MODE)|MATCH (g) AGAINST ('word' WITH QUERY EXPANSION)|MATCH (g) AGAINST ('word' IN NATURAL LANGUAGE MODE WITH QUERY EXPANSION)|c LIKE CONCAT('%', 'a', '%')|c LIKE BINARY 'a'|c REGEXP BINARY 'a'|a BETWEEN SYMMETRIC|IF(EXISTS(SELECT 1), 1, 2)|DEFAULT(a)|LAST_DAY(NOW() - INTERVAL 1 MONTH)|LEFT(c, LENGTH(c) - 1)|YEAR(NOW()) - YEAR(d) - (RIGHT(CURDATE(), 5) < RIGHT(d, 5))
"""

AGGREGATES = """COUNT(*)|COUNT(a)|COUNT(DISTINCT a)|COUNT(DISTINCT a, b)|COUNT(ALL a)|SUM(a)|SUM(DISTINCT a)|AVG(a)|AVG(DISTINCT a)|MIN(a)|MAX(DISTINCT a)|BIT_AND(a)|BIT_OR(a)|BIT_XOR(a)|STD(a)|STDDEV(a)|STDDEV_POP(a)|STDDEV_SAMP(a)|VAR_POP(a)|VAR_SAMP(a)|VARIANCE(a)|GROUP_CONCAT(c)|GROUP_CONCAT(DISTINCT c ORDER BY c DESC SEPARATOR '; ')|GROUP_CONCAT(a, c ORDER BY 1 LIMIT 2)|GROUP_CONCAT(c SEPARATOR '')|JSON_ARRAYAGG(a)|JSON_ARRAYAGG(DISTINCT a ORDER BY a LIMIT 2)|JSON_OBJECTAGG(c, a)"""
WINDOWS = """ROW_NUMBER()|RANK()|DENSE_RANK()|PERCENT_RANK()|CUME_DIST()|NTILE(4)|LAG(a)|LAG(a, 2)|LEAD(a)|LEAD(a, 1)|FIRST_VALUE(a)|LAST_VALUE(a)|NTH_VALUE(a, 2)|SUM(a)|COUNT(*)|AVG(a)|MIN(a)|MAX(a)|BIT_OR(a)|STDDEV_POP(a)"""
SPECIFICATIONS = """(ORDER BY id)|(PARTITION BY b ORDER BY a)|(PARTITION BY b, c ORDER BY a DESC, id)|w|(PARTITION BY YEAR(d) ORDER BY id)"""
FRAMES = """ROWS UNBOUNDED PRECEDING|ROWS CURRENT ROW|ROWS 2 PRECEDING|ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW|ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING|ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING|RANGE UNBOUNDED PRECEDING|RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING|RANGE BETWEEN 5 PRECEDING AND 5 FOLLOWING|ROWS BETWEEN 2 FOLLOWING AND 4 FOLLOWING"""
UNITS = "MICROSECOND SECOND MINUTE HOUR DAY WEEK MONTH QUARTER YEAR SECOND_MICROSECOND MINUTE_MICROSECOND MINUTE_SECOND HOUR_MICROSECOND HOUR_SECOND HOUR_MINUTE DAY_MICROSECOND DAY_SECOND DAY_MINUTE DAY_HOUR YEAR_MONTH".split()


def split(text):
    """Items between | and newlines; \\| is a bar."""
    out = []
    for line in text.strip().split("\n"):
        for item in line.replace("\\|", "\0").split("|"):
            if item.strip():
                out.append(item.strip().replace("\0", "|").replace("\\\\", "\\"))
    return out


def lines(text):
    return [line.strip() for line in text.strip().split("\n") if line.strip()]


def expressions():
    scalars = split(SCALARS)
    for each in scalars:
        yield f"SELECT {each} FROM t"
    for n, each in enumerate(scalars):
        yield [f"SELECT id FROM t WHERE {each} IS NOT NULL ORDER BY {each}", f"UPDATE t SET c = {each} WHERE id = {n}",
               f"SELECT COUNT(*) AS n, {each} AS x FROM t GROUP BY x HAVING n > 1", f"DELETE FROM t WHERE {each} = {each}",
               f"INSERT INTO t (id, c) SELECT id + 1000, {each} FROM u AS t", f"DO {each.replace(' t.', ' ').replace('MATCH', 'M')}"
               if not any(x in each for x in ('t.', 'g', 'MATCH', ' a', '(a', 'c')) else f"SELECT DISTINCT {each} x FROM t LIMIT 3"][n % 6]
    for each in split(AGGREGATES):
        yield f"SELECT {each} FROM t"
        yield f"SELECT b, {each} AS x FROM t WHERE a > 0 GROUP BY b WITH ROLLUP"
        yield f"SELECT b FROM t GROUP BY b HAVING {each} IS NOT NULL ORDER BY {each}"
    for function in split(WINDOWS):
        for n, spec in enumerate(split(SPECIFICATIONS)):
            window = " WINDOW w AS (PARTITION BY b ORDER BY a)" if spec == "w" else ""
            yield f"SELECT id, {function} OVER {spec} AS x FROM t{window}"
    for function in ("SUM(a)", "COUNT(*)", "AVG(a)", "MIN(a)", "FIRST_VALUE(a)", "LAST_VALUE(a)", "NTH_VALUE(a, 1)", "BIT_AND(a)"):
        for frame in split(FRAMES):
            yield f"SELECT {function} OVER (PARTITION BY b ORDER BY a {frame}) FROM t"
    for unit in UNITS:
        yield f"SELECT d + INTERVAL '1' {unit} FROM t"
        yield f"SELECT DATE_SUB(d, INTERVAL a {unit}) FROM t WHERE d > NOW() - INTERVAL 1 {unit}"
        yield f"SELECT EXTRACT({unit} FROM d) FROM t"
        if "_" not in unit:
            yield f"SELECT TIMESTAMPADD({unit}, 1, d), TIMESTAMPDIFF({unit}, d, NOW()) FROM t"


def corpus():
    """Every statement once."""
    import selects, writes, commands, definitions

    out = dict.fromkeys(expressions())
    for module in (selects, writes, commands, definitions):
        for statements in module.corpus().values():
            out |= dict.fromkeys(statements)
    return list(out)


if __name__ == "__main__":
    print("\n".join(corpus()))
