"""The words that offices use, and the contract's words for them."""

from __future__ import annotations


def _words(text: str) -> dict[str, str]:
    """Word to contract word, from lines `contract_word word word …`."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    return {word: first for first, *rest in lines for word in rest}


ROLES = _words(
    """
    squad_member 执法队员 队员 城管队员 执法人员 协管员 城管协管员 辅助执法人员 责任队员
    squad_leader 中队长 副中队长 队长 副队长
    grid_leader 网格组长 组长
    collector 信息采集员 信息采集人员 采集员 采集人员
    grid_member 网格员 网格长 专职网格员 兼职网格员 全科网格员
    """
)
UNIT_KINDS = _words(
    """
    county 县 县级 县中心 指挥中心
    town 乡镇 镇 乡 街道 镇街 镇乡 镇乡街道
    squad 中队 执法中队 班组
    community 社区 村 村社
    department 部门 局 科室
    """
)
MODES = _words(
    """
    foot 步行 徒步 步巡
    ebike 电动车 电瓶车 电动自行车 骑行 自行车 摩托车
    vehicle 汽车 车辆 车巡 巡查车 执法车 机动车
    """
)
DEVICE_KINDS = _words(
    """
    phone 手机 终端 移动终端 城管通
    vehicle 车辆 车载 车载终端 执法车
    recorder 执法记录仪 记录仪 单兵
    """
)
DUTY_KINDS = _words(
    """
    responsible 责任人 责任队员 负责人 responsible
    leader 组长 网格组长 带班 leader
    """
)
TARGET_KINDS = _words(
    """
    section 路段 责任路段
    road 道路 整路
    work_grid 工作网格 网格 单元
    community_grid 全科网格 社区网格
    area 区域 片区
    person 人员 个人
    all 全县 全域 全部 全市
    unit 单位 中队
    """
)
EXCEPTION_KINDS = _words(
    """
    closure 封闭 封路 断交 封道 交通管制 管制 道路封闭
    works 施工 道路施工 占道施工 改造 道路改造
    weather 天气 恶劣天气 台风 暴雨 大风 降雪 冰冻
    leave 请假 休假 事假 病假 年假 年休 调休 公差 培训
    other 其他 其它
    """
)
CHANNELS = _words(
    """
    community 全科网格 网格员 网格上报 网格员上报 村社 社区
    squad 执法巡查 中队 队员巡查 日常巡查 执法队员
    platform 智慧城管 数字城管 信息采集 采集员 城管热线 热线 12345 平台
    opinion 民声回应 论坛 民声回应论坛 信访 来信 来访 媒体 媒体曝光 舆情
    """
)
CASE_STATES = _words(
    """
    open open 在办 处理中 办理中 待处理 已派遣 派遣 立案 已立案 受理 已受理 处置中 未结案
    closed closed 办结 已办结 结案 已结案 完成 已完成 已处置
    suspended suspended 挂账 已挂账
    """
)
MARKS: dict[str, bool] = {
    **dict.fromkeys(("是", "有", "y", "yes", "true", "t", "1", "√", "✓", "当场", "当场处置", "当场办结", "现场处置", "当即处置"), True),
    **dict.fromkeys(("否", "无", "n", "no", "false", "f", "0", "×", "✗", "x", "非当场", "未当场处置", "上报", "移交", "转办"), False),
}  # fmt: skip
"""Yes and no, as offices mark them (`normal_word` of the cell)."""
UNIT_ENDINGS = (
    ("中队", "squad"),
    ("大队", "department"),
    ("街道", "town"),
    ("镇", "town"),
    ("乡", "town"),
    ("社区", "community"),
    ("居委会", "community"),
    ("村", "community"),
    ("县", "county"),
    ("局", "department"),
    ("办", "department"),
    ("中心", "department"),
)
