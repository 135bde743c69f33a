import MySQLdb
from mysql_checks import CA, HOST, PASSWORD, PORT, USER, Checks


def connect(database, password=PASSWORD, **more):
    return MySQLdb.connect(host=HOST.replace("localhost", "127.0.0.1"), port=PORT, user=USER, passwd=password, db=database, charset="utf8mb4",
                           connect_timeout=20, **more)


Checks(connect, MySQLdb.MySQLError, {"ssl": {"ca": CA}}).run()
