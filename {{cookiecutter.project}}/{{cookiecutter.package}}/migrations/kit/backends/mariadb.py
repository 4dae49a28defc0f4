"""MariaDB, where the URL says so: as MySQL."""

from alembic.ddl.mysql import MariaDBImpl

from .mysql import MySQL, MySQLBackend


class MariaDB(MySQL, MariaDBImpl):
    __dialect__ = "mariadb"


backend = MySQLBackend()
