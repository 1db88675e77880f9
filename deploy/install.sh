#!/bin/sh
# 离线安装 xuncha（不联网）：sh install.sh [--prefix DIR] [--system]
# Installs xuncha without any network: sh install.sh [--prefix DIR] [--system]
#   --prefix DIR   默认 /opt/xuncha | default /opt/xuncha
#   --system       另建用户 xuncha，装 systemd 单元和 /etc/xuncha/xuncha.env（需 root）
#                  also the user xuncha, the systemd units and /etc/xuncha/xuncha.env (as root)
#   PYTHON         用哪个 Python | which Python
set -eu

here="$(cd "$(dirname "$0")" && pwd)"
prefix=/opt/xuncha
system=no
while [ $# -gt 0 ]; do
  case "$1" in
    --prefix) prefix="$2"; shift 2 ;;
    --system) system=yes; shift ;;
    *) sed -n 2,7p "$0" >&2; exit 2 ;;
  esac
done
fail() { printf '%s\n' "$*" >&2; exit 1; }
fact() { sed -n "s/^ *\"$1\": \"\(.*\)\".*/\1/p" "$here/bundle.json"; }

(cd "$here" && sha256sum --check --quiet --strict SHA256SUMS) || fail "文件损坏，请重新拷贝 | files are damaged, copy the bundle again"
wanted="$(fact python)"
[ "$(uname -m)" = "$(fact machine)" ] || fail "此包用于 $(fact machine)，本机是 $(uname -m) | this bundle is for $(fact machine), this machine is $(uname -m)"
python="${PYTHON:-$(command -v "python$wanted" || true)}"
[ -n "$python" ] || fail "需要 Python $wanted（及其 venv 模块） | Python $wanted with its venv module is needed"
"$python" -c "import sys, venv, ensurepip; sys.exit('%d.%d' % sys.version_info[:2] != '$wanted')" ||
  fail "需要 Python $wanted 及 venv(Debian:python3-venv)| Python $wanted with venv is needed (Debian: python3-venv)"

# 每个版本各有目录；装好后才切换链接，退回只需改链接
# a folder a release; the link moves only when all is there, and going back is moving it again
mkdir -p "$prefix"
prefix="$(cd "$prefix" && pwd)"
release="$prefix/releases/$(fact release)"
if [ ! -f "$release/.complete" ]; then
  rm -rf "$release"
  mkdir -p "$release"
  "$python" -m venv "$release/venv"
  run_pip() { PIP_CONFIG_FILE=/dev/null PIP_NO_INDEX=1 "$release/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-index "$@"; }
  run_pip --find-links "$here/wheels" --require-hashes -r "$here/requirements.lock"
  run_pip --no-deps "$here/wheels/$(fact wheel)"
  "$release/venv/bin/xuncha" --help >/dev/null
  : >"$release/.complete"
fi
mkdir -p "$prefix/bin" "$prefix/share"
cp "$here/deploy.md" "$here/xuncha.service" "$here/xuncha-audit.service" "$here/xuncha-audit.timer" "$here/xuncha.env.example" "$prefix/share/"
install -m 0755 "$here/xuncha-daily" "$here/xuncha-backup" "$prefix/bin/"
ln -sfn "$release/venv" "$prefix/venv.new"
mv -T "$prefix/venv.new" "$prefix/venv"
rm -f "$prefix/bin/xuncha"
install -m 0755 "$here/xuncha-as-service" "$prefix/bin/xuncha"

if [ "$system" = yes ]; then
  [ "$(id -u)" -eq 0 ] || fail "--system 需要 root | --system needs root"
  id xuncha >/dev/null 2>&1 || useradd --system --home-dir /var/lib/xuncha --no-create-home --shell /usr/sbin/nologin xuncha
  install -d -m 0750 -o xuncha -g xuncha /var/lib/xuncha /var/cache/xuncha
  install -d -m 0750 -o root -g xuncha /etc/xuncha
  if [ ! -f /etc/xuncha/xuncha.env ]; then
    install -m 0640 -o root -g xuncha "$here/xuncha.env.example" /etc/xuncha/xuncha.env
    secret="$("$python" -c 'import secrets; print(secrets.token_urlsafe(32))')"
    sed -i "s/^XUNCHA_SECRET=.*/XUNCHA_SECRET=$secret/" /etc/xuncha/xuncha.env
  fi
  for unit in xuncha.service xuncha-audit.service xuncha-audit.timer; do
    sed "s#/opt/xuncha#$prefix#g" "$here/$unit" >"/etc/systemd/system/$unit"
  done
  systemctl daemon-reload
  printf '%s\n' "编译中，约一两分钟 | compiling, a minute or two"
  runuser -u xuncha -- env HOME=/var/lib/xuncha PYTHONDONTWRITEBYTECODE=1 NUMBA_CACHE_DIR=/var/cache/xuncha/numba \
    sh -c 'cd / && exec "$0" -m etl.warm' "$release/venv/bin/python" >/dev/null || printf '%s\n' "编译未成，首次核查时再编译 | not compiled: the first audit will"
fi
printf '%s\n' "已装好 | installed: $prefix/bin/xuncha"
