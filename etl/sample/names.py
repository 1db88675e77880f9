"""Invented names: streets, towns, villages and people of a county that does not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

COUNTY = "示例县"
COUNTY_CODE = "330299"  # no county has this code

# streets of the central town from west to east and from south to north; the place in the list decides the class
NORTH_SOUTH = (
    "西环路", "松云街", "建设路", "锦溪路", "白石街", "丹河路", "靖南街", "天安路", "新华街", "文昌街", "海丰大道",
    "南门街", "巨鹰路", "塔山街", "学宫街", "丹峰路", "渔光街", "滨江路", "潮音街", "盐场街", "滨海大道",
)  # fmt: skip
EAST_WEST = (
    "南环路", "梅园街", "来薰路", "安澜街", "象山港路", "瑞龙街", "东谷路", "河滨街", "人民路", "井头街",
    "城东路", "育才街", "月湖路", "九曲街", "金秋路", "虎山街", "北环路",
)  # fmt: skip
FRINGE = (
    "后堂路", "马岙路", "杨家桥路", "塘岙路", "下沈路", "沙塘湾路", "章家弄路", "汤家店路", "大碶路", "西谷路", "樟岙路",
    "珠溪路", "官路头路", "蒙顶路", "林善岙路", "桥头胡路", "黄避岙路", "翁岙路", "岭脚路", "大坑路", "高湾路", "花岙路",
    "青莱路", "旦门路",
    "白岩山路", "茅洋路", "溪口路", "泗洲头路", "灵岩路", "涂茨路",
)  # fmt: skip
TOWNS = ("石浦湾镇", "贤庠头镇", "西周岭镇", "鹤浦滩镇", "墙头岙镇")
TOWN_STREETS = (
    "中心街", "兴港路", "渔港路", "商贸街", "振兴路", "环镇路", "学前街", "老街", "菜场街", "文化街", "码头路", "塘坝路", "新开街",
)  # fmt: skip
URBAN_VILLAGES = ("前岙村", "河东村", "塔下村", "老渔村")
FRINGE_VILLAGES = ("沙岭村", "杨溪村", "松岙村", "外塘村", "后洋村", "岭下村")
COMMUNITIES = (
    "丹城社区", "梅园社区", "安澜社区", "瑞龙社区", "白石社区", "靖南社区", "天安社区", "文峰社区", "塔山社区", "丹峰社区", "滨江社区",
    "潮音社区", "东谷社区", "河滨社区", "人民社区", "月湖社区", "金秋社区", "虎山社区", "海丰社区", "育才社区",
)  # fmt: skip
SQUADS = ("东城中队", "西城中队", "南城中队", "北城中队")
_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘蒋蔡余杜叶程魏苏吕丁任沈姚卢"
_GIVEN = "伟芳娜秀敏静丽强磊军洋勇艳杰涛明超霞平刚桂英华建国文辉玲海燕波峰志晓东红兵健佳俊雪梅宁浩欣怡子轩泽宇晨阳"


def people(count: int, *, rng: np.random.Generator) -> list[str]:
    """Distinct Chinese names."""
    found: dict[str, None] = {}
    while len(found) < count:
        letters = rng.integers(0, len(_GIVEN), 2)
        given = "".join(_GIVEN[k] for k in letters[: 1 if rng.random() < 0.2 else 2])  # noqa: PLR2004 (a fifth have one letter)
        found[_SURNAMES[int(rng.integers(len(_SURNAMES)))] + given] = None
    return list(found)
