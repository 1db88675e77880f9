"""What goes wrong with a store, in words, and errors of the drivers turned into them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import sqlalchemy as sa

from gis.errors import Fault, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCKED = ("database is locked", "database table is locked")


def store_error(code: str, zh: str, en: str, fix_zh: str = "", fix_en: str = "") -> StoreError:
    """A StoreError of one fault."""
    return StoreError(Fault(code, zh, en, fix_zh, fix_en))


def newer(found: str) -> StoreError:
    """The store was written by a later version."""
    return store_error(
        "store.newer", f"数据库的版本({found})比本程序新", f"the store has version {found}, which this program does not know",
        "请升级 xuncha", "upgrade xuncha",
    )  # fmt: skip


def not_prepared(url: str) -> StoreError:
    """There is no store yet, or an older one."""
    return store_error(
        "store.not_prepared", f"存储尚未建立或版本较旧: {url}", f"the store is missing or older: {url}",
        "先运行 xuncha load(它会建立或升级存储)", "run `xuncha load` first, which creates or migrates it",
    )  # fmt: skip


def busy(who: str) -> StoreError:
    """Another writer holds the store."""
    return store_error(
        "store.busy",
        f"另一个进程正在写入({who})",
        f"another process is writing ({who})",
        "等它结束后重试",
        "wait for it to end and try again",
    )


def other_zone(stored: str, asked: str) -> StoreError:
    """The store's local days are those of another time zone."""
    return store_error(
        "store.timezone", f"存储的时区是 {stored},城市文件写的是 {asked}", f"the store's time zone is {stored}, the city file says {asked}",
        "改回时区,或另建存储", "set the time zone back, or use another store",
    )  # fmt: skip


def _postgres(error: psycopg.Error) -> StoreError:
    """The words for an error of PostgreSQL (SQLSTATE classes: appendix A of its manual)."""
    state = error.sqlstate or ""
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if state == "0A000" and "postgis" in text.lower():
        return no_postgis()
    if state == "42501":
        return store_error(
            "store.permission", f"没有权限: {text}", f"no permission: {text}",
            "请数据库管理员授予建表与写入权限", "ask for the right to create and write tables (GRANT CREATE, USAGE ON SCHEMA …)",
        )  # fmt: skip
    if state in {"28P01", "28000"}:
        return store_error(
            "store.sign_in",
            f"用户名或口令不对: {text}",
            f"sign-in refused: {text}",
            "检查地址中的用户与口令",
            "check user and password",
        )
    if state == "3D000":
        return store_error(
            "store.no_database",
            f"数据库不存在: {text}",
            f"no such database: {text}",
            "先建库: createdb",
            "create it: createdb",
        )
    if state in {"55P03", "40P01", "57014"}:
        return busy(text)
    if state in {"53100", "53200"}:
        return store_error(
            "store.full",
            f"服务器空间或内存不足: {text}",
            f"the server is out of room: {text}",
            "清理磁盘后重试",
            "free space, then try again",
        )
    if isinstance(error, psycopg.OperationalError):
        return store_error(
            "store.unreachable", f"连不上数据库服务器: {text}", f"the database server cannot be reached: {text}",
            "检查服务器是否启动、地址与端口是否正确", "check that the server runs, and its address and port",
        )  # fmt: skip
    return store_error("store.database", f"数据库出错: {text}", f"database error: {text}")


def no_postgis() -> StoreError:
    """PostGIS is not installed on the server, or not in this database."""
    return store_error(
        "store.no_postgis", "数据库没有 PostGIS", "PostGIS is missing in this database",
        "安装 postgis 并以管理员运行 CREATE EXTENSION postgis", "install postgis, then run CREATE EXTENSION postgis as an administrator",
    )  # fmt: skip


@contextmanager
def translated() -> Iterator[None]:
    """Errors of SQLAlchemy, psycopg, SQLite and the file system leave as StoreError, with what to do."""
    import sqlite3  # noqa: PLC0415 (only the errors' class, beside its use)

    try:
        yield
    except sa.exc.DBAPIError as error:
        raise _any(error.orig) from error
    except (psycopg.Error, sqlite3.Error) as error:
        raise _any(error) from error
    except PermissionError as error:
        raise store_error(
            "store.permission",
            f"没有写入权限: {error.filename}",
            f"no permission to write: {error.filename}",
            "检查文件夹权限",
            "check the folder's rights",
        ) from error
    except OSError as error:
        if isinstance(error, ConnectionError):
            raise
        raise store_error(
            "store.file",
            f"存储文件出错: {error}",
            f"store file error: {error}",
            "检查磁盘与文件夹",
            "check disk and folder",
        ) from error


def _any(error: BaseException | None) -> StoreError:
    if isinstance(error, psycopg.Error):
        return _postgres(error)
    text = str(error)
    if any(words in text for words in _LOCKED):
        return busy("SQLite")
    return store_error(
        "store.database",
        f"数据库出错: {text}",
        f"database error: {text}",
        "从备份恢复,或重建存储",
        "restore a backup, or build the store anew",
    )
