import mysql.connector
from mysql_checks import CA, HOST, PASSWORD, PORT, USER, Checks


def connect(database, password=PASSWORD, **more):
    more.setdefault("ssl_disabled", True)
    return mysql.connector.connect(host=HOST, port=PORT, user=USER, password=password, database=database, charset="utf8mb4",
                                   collation="utf8mb4_general_ci", connection_timeout=20, use_pure=True, **more)


Checks(connect, mysql.connector.Error, {"ssl_disabled": False, "ssl_ca": CA, "ssl_verify_cert": True}, {"prepared": True}).run()
