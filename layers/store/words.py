"""What goes wrong with a store, in words, and errors of the drivers turned into them."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pyarrow as pa
import sqlalchemy as sa

from gis.errors import Fault, InputError, StoreError, XunchaError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCKED = ("database is locked", "database table is locked")


def store_error(code: str, zh: str, en: str, fix_zh: str = "", fix_en: str = "") -> StoreError:
    """A StoreError of one fault."""
    return StoreError(Fault(code, zh, en, fix_zh, fix_en))


def newer(found: str) -> StoreError:
    """The store was written by a later version."""
    return store_error(
        "store.newer", f"数据库的版本（{found}）比本程序新", f"the store has version {found}, which this program does not know",
        "请升级 xuncha", "upgrade xuncha",
    )  # fmt: skip


def not_prepared(url: str) -> StoreError:
    """There is no store yet, or an older one."""
    return store_error(
        "store.not_prepared", f"存储尚未建立或版本较旧：{url}", f"the store is missing or older: {url}",
        "先运行 xuncha load（它会建立或升级存储）", "run `xuncha load` first, which creates or migrates it",
    )  # fmt: skip


def busy(who: str) -> StoreError:
    """Another writer holds the store."""
    return store_error(
        "store.busy",
        f"另一个进程正在写入（{who}）",
        f"another process is writing ({who})",
        "等它结束后重试",
        "wait for it to end and try again",
    )


def other_zone(stored: str, asked: str) -> StoreError:
    """The store's local days are those of another time zone."""
    return store_error(
        "store.timezone", f"存储的时区是 {stored}，城市文件写的是 {asked}",
        f"the store's time zone is {stored}, the city file says {asked}",
        "改回时区，或另建存储", "set the time zone back, or use another store",
    )  # fmt: skip


_STATES = {  # SQLSTATE (PostgreSQL manual, appendix A): code, words before the server's, remedy
    "42501": ("store.permission", "没有权限", "no permission", "请数据库管理员授予建表与写入权限", "ask for GRANT USAGE, CREATE ON SCHEMA"),
    "28P01": ("store.sign_in", "用户名或口令不对", "sign-in refused", "检查地址中的用户与口令", "check user and password in the address"),
    "28000": ("store.sign_in", "用户名或口令不对", "sign-in refused", "检查地址中的用户与口令", "check user and password in the address"),
    "3D000": ("store.no_database", "数据库不存在", "no such database", "先建库：createdb", "create it first: createdb"),
    "55P03": ("store.busy", "另一个进程正在写入", "another process is writing", "等它结束后重试", "wait for it to end and try again"),
    "40P01": ("store.busy", "与另一个进程互相等待", "deadlock with another process", "重试", "try again"),
    "57014": ("store.busy", "等待超时", "the statement timed out", "重试", "try again"),
    "53100": ("store.full", "服务器磁盘已满", "the server's disk is full", "清理磁盘后重试", "free space, then try again"),
    "53200": ("store.full", "服务器内存不足", "the server is out of memory", "稍后重试", "try again later"),
    "53300": ("store.busy", "服务器连接数已满", "the server has no connection left", "稍后重试", "try again later"),
}  # fmt: skip
_UNREACHABLE = (
    "store.unreachable",
    "连不上数据库服务器",
    "the database server cannot be reached",
    "检查服务器是否启动、地址与端口是否正确",
    "check that the server runs, its address and port",
)
_UNKNOWN = ("存储未改动；若重试仍然如此，请报告这一行", "the store is as it was; if it happens again, report this line")
# What SQLite says (sqlite3_errstr), its meaning and the remedy. Only a damaged file needs a backup: whoever follows that advice for a full
# disk loses what came after the backup.
_SQLITE = {
    "disk is full": ("store.full", "磁盘已满", "the disk is full", "清理磁盘后重试", "free space, then try again"),
    "disk I/O error": ("store.file", "读写磁盘失败", "reading or writing the disk failed",
                       "检查磁盘空间、配额与文件系统，再重试", "check space, quota and file system, then try again"),
    "readonly database": ("store.permission", "存储只读", "the store is read only",
                          "检查权限与挂载方式", "check its rights and how it is mounted"),
    "unable to open database file": ("store.permission", "打不开存储", "the store cannot be opened",
                                     "检查文件夹的权限与挂载方式", "check the folder's rights and how it is mounted"),
    "malformed": ("store.damaged", "存储已损坏", "the store is damaged", "从备份恢复", "restore a backup"),
    "not a database": ("store.damaged", "存储已损坏", "the store is damaged", "从备份恢复", "restore a backup"),
}  # fmt: skip
_NAMED = {
    "password authentication failed": "28P01",
    "no password supplied": "28P01",
    "does not exist": "3D000",
    "too many clients": "53300",
}


def _postgres(error: psycopg.Error) -> StoreError:
    """The words for an error of PostgreSQL; a refused connection has no SQLSTATE, only the server's sentence."""
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    state = error.sqlstate
    if state is None and isinstance(error, psycopg.OperationalError):
        state = next((s for words, s in _NAMED.items() if words in str(error)), None)
    known = _STATES.get(state or "")
    if known is None and isinstance(error, psycopg.OperationalError):
        known = _UNREACHABLE
    code, zh, en, fix_zh, fix_en = known or ("store.database", "数据库出错", "database error", *_UNKNOWN)
    return store_error(code, f"{zh}：{text}", f"{en}: {text}", fix_zh, fix_en)


def no_postgis() -> StoreError:
    """PostGIS is not installed on the server, or not in this database."""
    return store_error(
        "store.no_postgis", "数据库没有 PostGIS", "PostGIS is missing in this database",
        "安装 postgis 并以管理员运行 CREATE EXTENSION postgis", "install postgis, then run CREATE EXTENSION postgis as an administrator",
    )  # fmt: skip


@contextmanager
def translated() -> Iterator[None]:
    """Errors of SQLAlchemy, psycopg and SQLite leave as StoreError, with what to do."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise _any(error.orig) from error
    except (psycopg.Error, sqlite3.Error) as error:
        raise _any(error) from error


@contextmanager
def translated_files() -> Iterator[None]:
    """Errors of the file system leave as StoreError, with what to do."""
    try:
        yield
    except OSError as error:
        raise _file(error) from error
    except pa.ArrowException as error:
        raise _damaged(error) from error


def _damaged(error: BaseException) -> StoreError:
    zh, en = f"存储中的 Parquet 文件已损坏：{error}", f"a Parquet file of the store is damaged: {error}"
    return store_error(
        "store.damaged",
        zh,
        en,
        "从备份恢复这个文件，或删去其来源重新装入",
        "restore that file from a backup, or load its source anew",
    )


def _file(error: OSError) -> StoreError:
    name = error.filename or error
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return store_error(
            "store.permission",
            f"没有写入权限：{name}",
            f"no permission to write: {name}",
            "检查文件夹权限",
            "check the folder's rights",
        )
    if "checksum" in str(error) or "Corrupt" in str(error):
        return _damaged(error)
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return store_error(
            "store.full",
            f"磁盘已满：{name}",
            f"the disk is full: {name}",
            "清理磁盘后重试",
            "free space, then try again",
        )
    zh, en = f"存储文件出错：{error}", f"store file error: {error}"
    return store_error(
        "store.file", zh, en, "检查磁盘与文件夹，必要时从备份恢复", "check disk and folder; restore a backup if need be"
    )


def wrong_url() -> StoreError:
    """The address of the database is not one."""
    example = "postgresql://user:password@host:5432/database"
    return store_error(
        "store.url",
        "数据库地址写错",
        "the database address is not well formed",
        f"写成 {example}",
        f"write it as {example}",
    )


def wrong_driver() -> StoreError:
    """SQLAlchemy was given another driver."""
    return store_error(
        "store.driver",
        "数据库驱动不是 psycopg",
        "the database driver is not psycopg",
        "地址以 postgresql:// 开头",
        "begin the address with postgresql://",
    )


def _any(error: BaseException | None) -> StoreError:
    if isinstance(error, psycopg.Error):
        return _postgres(error)
    text = str(error)
    if any(words in text for words in _LOCKED):
        return busy("SQLite")
    for words, (code, zh, en, fix_zh, fix_en) in _SQLITE.items():
        if words in text:
            return store_error(code, f"{zh}：{text}", f"{en}: {text}", fix_zh, fix_en)
    return store_error("store.database", f"数据库出错：{text}", f"database error: {text}", *_UNKNOWN)


@contextmanager
def translated_positions(place: str) -> Iterator[None]:
    """Errors of fsspec, its drivers and of Parquet leave as ours, with the place and what to do; ours pass."""
    try:
        yield
    except XunchaError:
        raise
    except ImportError as error:  # fsspec names the package that is missing
        zh, en = f"读取 {place} 缺少驱动：{error}", f"no driver for {place}: {error}"
        fix = (
            "安装所缺的包（s3:// 用 s3fs，gs:// 用 gcsfs，abfs:// 用 adlfs）",
            "install the package (s3fs for s3://, gcsfs for gs://, adlfs for abfs://)",
        )
        raise StoreError(Fault("positions.driver", zh, en, *fix)) from error
    except pa.ArrowInvalid as error:
        zh, en = f"不是完整的 Parquet 文件：{error}", f"not a whole Parquet file: {error}"
        raise InputError(
            Fault("file.format", zh, en, "重新导出或删除该文件", "export the file again, or remove it", file=place)
        ) from error
    except Exception as error:  # each driver of fsspec has errors of its own
        zh, en = f"读不到 {place}：{error}", f"cannot read {place}: {error}"
        fix = (
            "检查地址、网络与凭据（由 fsspec 自己的设置给出，每个工作进程都要有）",
            "check address, network and credentials (by fsspec's own configuration, on every worker)",
        )
        raise StoreError(Fault("positions.unreachable", zh, en, *fix)) from error
