import pymysql
from mysql_checks import CA, HOST, PASSWORD, PORT, USER, Checks


def connect(database, password=PASSWORD, **more):
    return pymysql.connect(host=HOST, port=PORT, user=USER, password=password, database=database, charset="utf8mb4", connect_timeout=20, **more)


Checks(connect, pymysql.err.MySQLError, {"ssl_ca": CA, "ssl_verify_cert": True}).run()
