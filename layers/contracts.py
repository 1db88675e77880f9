"""Table contracts: every table that the platform holds or shows, column by column, with the words people read.

One place for names, dtypes, units and Chinese and English headings: the store makes its tables from here, the exports and pages their headings,
the validators their checks. Geometry is EPSG:4326 in every stored table; times are UTC; lengths are whole millimetres, areas square kilometres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DType = Literal["str", "int", "float", "bool", "time", "date", "json", "point", "line", "polygon", "geometry"]
Kind = Literal["input", "derived", "result", "ledger"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: dtype, unit, headings; `null` where a value may be missing."""

    name: str
    dtype: DType
    zh: str
    en: str
    unit: str = ""
    null: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """One table: `input` and `derived` rows belong to an edition, `result` rows to a run, `ledger` rows to the store itself."""

    name: str
    kind: Kind
    zh: str
    en: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            KeyError: no such column.
        """
        for c in self.columns:
            if c.name == name:
                return c
        raise KeyError(name)

    @property
    def geometry(self) -> str | None:
        """Name of the geometry column, None where the table has none."""
        return next((c.name for c in self.columns if c.dtype in {"point", "line", "polygon", "geometry"}), None)


def _columns(text: str) -> tuple[Column, ...]:
    """Columns from lines `name dtype[!] zh | en | unit`; `!` marks what must not be null."""
    out = []
    for line in filter(str.strip, text.splitlines()):
        head, *rest = (p.strip() for p in line.split("|"))
        name, dtype, zh = head.split(maxsplit=2)
        en, unit = rest[0], rest[1] if len(rest) > 1 else ""
        out.append(Column(name, dtype.rstrip("!"), zh, en, unit, null=not dtype.endswith("!")))  # type: ignore[arg-type]
    return tuple(out)


def _table(name: str, kind: Kind, titles: str, key: str, text: str) -> Table:
    zh, en = (t.strip() for t in titles.split("|"))
    return Table(name, kind, zh, en, tuple(key.split()), _columns(text))


# fmt: off
# ruff: noqa: E501 (one line a column, its words whole)
_INPUT = (
    _table(
        "road_edges", "input", "道路边 | Road edges", "edge_id",
        """
        edge_id str! 边编号 | Edge id
        u str 起点 | From node
        v str 终点 | To node
        source_class str 原始等级 | Source class
        policy_class str 政策等级 | Policy class
        name str 道路名称 | Road name
        oneway int! 单行 | One-way (1 along, -1 against, 0 both)
        bridge bool! 桥梁 | Bridge
        tunnel bool! 隧道 | Tunnel
        level int! 层 | Level
        geometry line! 几何 | Geometry
        """,
    ),
    _table(
        "work_grids", "input", "工作网格 | Work grids", "grid_id",
        """
        grid_id str! 网格编号 | Grid code
        name str 名称 | Name
        level str 区位 | Level (central, fringe)
        town_id str 镇街 | Town
        unit_id str 中队 | Squad
        geometry polygon! 几何 | Geometry
        """,
    ),
    _table(
        "community_grids", "input", "全科网格 | Community grids", "grid_id",
        """
        grid_id str! 网格编号 | Grid code
        name str 名称 | Name
        community str 村社 | Village or community
        town_id str 镇街 | Town
        geometry polygon! 几何 | Geometry
        """,
    ),
    _table(
        "unit_grids", "input", "单元网格 | Unit grids", "grid_id",
        """
        grid_id str! 单元网格编码 | Unit grid code (15 digits)
        name str 名称 | Name
        community_grid_id str 全科网格 | Community grid
        geometry polygon! 几何 | Geometry
        """,
    ),
    _table(
        "areas", "input", "区域与点位 | Areas and places", "area_id",
        """
        area_id str! 编号 | Id
        kind str! 类型 | Kind (boundary, scope, central, fringe, town, street_important, street_general, urban_village, fringe_road, key_point, back_street, hot_area, frontage)
        name str 名称 | Name
        parent_id str 上级 | Parent
        geometry geometry! 几何 | Geometry
        """,
    ),
    _table(
        "units", "input", "单位 | Units", "unit_id",
        """
        unit_id str! 单位编号 | Unit id
        name str! 名称 | Name
        kind str! 类型 | Kind (county, town, squad, community, department)
        parent_id str 上级 | Parent
        town_id str 镇街 | Town
        """,
    ),
    _table(
        "persons", "input", "人员 | Persons", "person_id",
        """
        person_id str! 人员编号 | Person id
        name str! 姓名 | Name
        role str! 角色 | Role (squad_member, squad_leader, grid_leader, collector, grid_member)
        unit_id str 单位 | Unit
        town_id str 镇街 | Town
        duty str 上班时间 | Duty times (08:30-12:00,13:30-17:30; empty: the standard's)
        valid_from time 生效 | Valid from
        valid_to time 失效 | Valid to
        """,
    ),
    _table(
        "devices", "input", "设备 | Devices", "device_id",
        """
        device_id str! 设备编号 | Device id
        kind str 类型 | Kind (phone, vehicle, recorder)
        mode str! 方式 | Mode (foot, ebike, vehicle)
        """,
    ),
    _table(
        "assignments", "input", "设备领用 | Device assignments", "device_id person_id valid_from",
        """
        device_id str! 设备编号 | Device id
        person_id str! 人员编号 | Person id
        mode str 方式 | Mode (foot, ebike, vehicle; empty: the device's)
        valid_from time! 自 | From
        valid_to time 至 | To
        """,
    ),
    _table(
        "responsibilities", "input", "责任分工 | Responsibilities", "responsibility_id",
        """
        responsibility_id str! 编号 | Id
        person_id str 人员编号 | Person id
        duty_kind str! 责任 | Kind (responsible, leader)
        target_kind str! 对象类型 | Target kind (section, work_grid, community_grid, unit)
        target_id str 对象编号 | Target id
        road_name str 道路 | Road
        from_name str 起 | From cross street
        to_name str 止 | To cross street
        source_text str 原文 | Text as written
        resolved bool! 已对应 | Resolved
        problem str 问题 | Problem
        source_name str 文件 | File
        source_row int 行 | Row
        valid_from time 自 | From
        valid_to time 至 | To
        """,
    ),
    _table(
        "exceptions", "input", "例外登记 | Exceptions", "exception_id",
        """
        exception_id str! 编号 | Id
        kind str! 类型 | Kind (closure, works, weather, leave, other)
        target_kind str! 对象类型 | Target kind (section, road, work_grid, community_grid, area, person, all)
        target_id str 对象 | Target
        substitute_id str 代班人 | Substitute person
        starts time! 开始 | Starts
        ends time! 结束 | Ends
        reason str! 原因 | Reason
        approver str! 批准人 | Approver
        entered_at time! 登记时间 | Entered at
        """,
    ),
    _table(
        "cases", "input", "案件 | Cases", "case_id",
        """
        case_id str! 案件编号 | Case id
        channel str! 渠道 | Channel (community, squad, platform, opinion)
        category str 类别 | Category
        title str 标题 | Title
        unit_id str 责任单位 | Responsible unit
        road_class str 道路等级 | Road class
        opened time! 立案 | Opened
        dispatched time 派遣 | Dispatched
        verified time 核查 | Verified
        due time 期限 | Due
        instructed_due time 领导批示期限 | Due by a leader's instruction
        closed time 结案 | Closed
        on_spot bool 当场处置 | Settled on the spot
        status str 状态 | Status (open, closed, suspended)
        located bool! 有可信坐标 | Trustworthy place
        geometry point 位置 | Place
        """,
    ),
    _table(
        "checkins", "input", "打卡 | Check-ins", "person_id time place_id",
        """
        person_id str! 人员编号 | Person id
        place_id str! 点位编号 | Place id
        time time! 时间 | Time
        arrived time 到达平台 | Arrived
        geometry point 位置 | Place
        """,
    ),
    _table(
        "scenes", "input", "遥感影像 | Scenes", "scene_id",
        """
        scene_id str! 影像编号 | Scene id
        acquired date! 日期 | Acquired
        sensor str 传感器 | Sensor
        bands json! 波段 | Bands (role to file and index)
        nodata float 无数据值 | No-data value
        cloud_mask json 云掩膜 | Cloud mask
        crs str! 坐标系 | CRS
        sha256 str! 校验 | SHA-256
        geometry polygon! 范围 | Footprint
        """,
    ),
)

_DERIVED = (
    _table(
        "segments", "derived", "路段边 | Segments", "segment_id",
        """
        segment_id str! 路段边编号 | Segment id
        section_id str! 责任路段 | Section
        road_id str! 道路编号 | Road id
        road_name str 道路名称 | Road name
        source_class str 原始等级 | Source class
        policy_class str! 政策等级 | Policy class (main, secondary, branch, no_rule)
        rule_id str 规则 | Rule
        no_rule_reason str 无规则原因 | Reason for no rule (class, out_of_scope)
        patrollable bool! 计入网格 | Counts for grid rounds
        length_mm int! 长度 | Length | mm
        measure_from_mm int! 路段里程起 | Measure from | mm
        measure_to_mm int! 路段里程止 | Measure to | mm
        u str! 起点 | From node
        v str! 终点 | To node
        oneway int! 单行 | One-way
        bridge bool! 桥梁 | Bridge
        tunnel bool! 隧道 | Tunnel
        level int! 层 | Level
        work_grid_id str 工作网格 | Work grid
        community_grid_id str 全科网格 | Community grid
        town_id str 镇街 | Town
        geometry line! 几何 | Geometry
        """,
    ),
    _table(
        "sections", "derived", "责任路段 | Responsible sections", "section_id",
        """
        section_id str! 责任路段编号 | Section id
        name str! 责任路段 | Section
        road_id str! 道路编号 | Road id
        road_name str 道路名称 | Road name
        from_name str 起 | From cross street
        to_name str 止 | To cross street
        policy_class str! 政策等级 | Policy class
        rule_id str 规则 | Rule
        no_rule_reason str 无规则原因 | Reason for no rule
        length_mm int! 长度 | Length (measure) | mm
        declared bool! 名册所列 | Named by the roster
        unit_id str 中队 | Squad
        unit_source str 中队依据 | Squad by (work_grid, responsible, town)
        work_grid_id str 工作网格 | Work grid
        town_id str 镇街 | Town
        zone str 区位 | Zone (central, fringe)
        geometry line! 几何 | Geometry
        """,
    ),
    _table(
        "network_notes", "derived", "路网说明 | Notes of the network", "code",
        """
        code str! 代码 | Code
        count int! 数量 | Count
        zh str! 说明 | In Chinese
        en str! 说明（英文） | In English
        """,
    ),
)

_COUNTS = """
        windows int! 应巡次数 | Windows
        covered int! 已巡 | Covered
        missed int! 漏巡 | Missed
        unknown int! 未知 | Unknown
        excused int! 免巡 | Excused
        km_windows float! 应巡公里 | Kilometre-windows | km
        km_covered float! 已巡公里 | Covered | km
        km_missed float! 漏巡公里 | Missed | km
        km_unknown float! 未知公里 | Unknown | km
        km_excused float! 免巡公里 | Excused | km
        rate_low float 达标率下限 | Rate, lower bound
        rate_high float 达标率上限 | Rate, upper bound
"""

_RESULT = (
    _table(
        "section_windows", "result", "应巡时段 | Windows", "section_id rule_id window_ix",
        """
        section_id str! 责任路段 | Section
        rule_id str! 规则 | Rule
        window_ix int! 序号 | Window
        starts time! 开始 | Starts
        ends time! 结束 | Ends
        required_share float! 要求比例 | Required share
        length_mm int! 长度 | Length | mm
        covered_mm int! 已巡长度 | Covered length | mm
        covered_share float! 已巡比例 | Covered share (of what is not closed)
        outcome str! 结果 | Outcome (covered, missed, unknown, excused)
        outcome_responsible str! 责任人结果 | Outcome by the responsible person
        covered_mm_responsible int! 责任人已巡长度 | Covered by the responsible person | mm
        probability float 已巡的把握 | Probability of covered
        silent_s float! 失联时长 | Silence of those on duty | s
        motionless_s float 静置时长 | Devices of those on duty motionless | s
        needed_s float! 所需时长 | Time a full patrol needs | s
        cause str 原因 | Cause (not_passed, too_fast, partial, no_rostered, silent, motionless, inferred, unsupported, no_data, no_roster, no_device, exception)
        attribution str 归责 | Charged to (person, unit, observability)
        missing str 缺什么 | What was missing
        exception_id str 例外 | Exception
        excused_mm int 封闭长度 | Closed by exceptions | mm
        person_ids str 责任人 | Responsible persons (;)
        named_by str 责任人来源 | Responsible by (roster, from_grid, nobody)
        passes int! 巡查记录 | Passes
        provisional bool 暂定 | Provisional (holidays of the day not published yet)
        """,
    ),
    _table(
        "section_days", "result", "责任路段日表 | Sections by day", "section_id rule_id",
        "section_id str! 责任路段 | Section\nrule_id str! 规则 | Rule" + _COUNTS
        + """
        covered_responsible int! 责任人已巡 | Covered by the responsible person
        completed_patrols int! 完成全面巡查 | Completed full patrols
        longest_gap_s float! 最长间隔 | Longest gap between full patrols | s
        within_share float! 间隔达标占比 | Share of duty time inside the interval
        last_completed time 最近完成 | Last completed
        duty_s float! 应巡时长 | Duty time | s
        named_by str 责任人来源 | Responsible by (roster, from_grid, nobody)
        """,
    ),
    _table(
        "segment_days", "result", "路段边日表 | Segments by day", "segment_id",
        """
        segment_id str! 路段边编号 | Segment id
        section_id str! 责任路段 | Section
        rule_id str 规则 | Rule
        passes int! 通过次数 | Passes
        visited_mm int! 到过长度 | Distinct length passed | mm
        first_pass time 首次通过 | First pass
        last_pass time 最近通过 | Last pass
        longest_gap_s float 最长间隔 | Longest time without a pass | s
        within_share float 间隔达标占比 | Share of duty time inside the interval
        outcome str! 结果 | Outcome of its section (covered, partly, missed, unknown, excused, no_rule)
        """,
    ),
    _table(
        "rollups", "result", "汇总 | Roll-ups", "level key rule_id charged",
        """
        level str! 层级 | Level (county, zone, town, squad, class, road, work_grid, person, rule)
        key str! 编号 | Key
        name str! 名称 | Name
        rule_id str! 规则 | Rule
        charged str! 口径 | By (entitled, responsible)
        subjects int! 对象数 | Subjects"""
        + _COUNTS
        + """
        rounds_required int 应完成轮次 | Required rounds
        rounds_completed int 完成轮次 | Completed rounds (seen; each grid up to what it owes)
        rounds_possible int 最多可能轮次 | Rounds possible at most (each grid up to what it owes)
        rate_rounds_low float 轮次达标率下限 | Rate of rounds, lower bound
        rate_rounds_high float 轮次达标率上限 | Rate of rounds, upper bound
        """,
    ),
    _table(
        "grid_days", "result", "工作网格日表 | Work grids by day", "grid_id",
        """
        grid_id str! 网格编号 | Grid code
        rule_id str 规则 | Rule
        level str 区位 | Level
        required_rounds int 应完成轮次 | Required rounds
        completed_rounds int! 完成轮次 | Completed rounds (seen)
        likely_rounds int 最可能轮次 | Likely rounds
        possible_rounds int 最多可能轮次 | Rounds possible at most
        round_share float 轮次完成比例 | Share of the required rounds completed
        patrollable_mm int! 可巡长度 | Patrollable length | mm
        visited_mm int! 到过长度 | Distinct length passed that day | mm
        never_mm int! 全天未到 | Visited in no round | mm
        open_share float! 未完轮次进度 | Share of the unfinished round
        last_completed time 最近完成 | Last completed
        outcome str! 结果 | Outcome (covered, missed, unknown, excused, no_rule)
        probability float 完成应完成轮次的把握 | Probability of the required rounds
        silent_s float! 失联时长 | Silence of those on duty | s
        cause str 原因 | Cause
        provisional bool 暂定 | Provisional (holidays of the day not published yet)
        missing str 缺什么 | What was missing
        lacking str 未完一轮所缺道路 | Streets that the unfinished round lacks (JSON: name, mm)
        """,
    ),
    _table(
        "grid_rounds", "result", "全覆盖轮次 | Full-coverage rounds", "grid_id round_ix",
        """
        grid_id str! 网格编号 | Grid code
        round_ix int! 轮次 | Round
        started time! 开始 | Started
        completed time! 完成 | Completed
        """,
    ),
    _table(
        "unvisited", "result", "全天未到路段 | Stretches visited in no round", "grid_id segment_id from_mm",
        """
        grid_id str! 网格编号 | Grid code
        segment_id str! 路段边编号 | Segment id
        from_mm int! 自 | From | mm
        to_mm int! 至 | To | mm
        geometry line! 几何 | Geometry
        """,
    ),
    _table(
        "community_windows", "result", "全科网格巡查 | Community cadence", "grid_id rule_id starts",
        """
        grid_id str! 网格编号 | Grid code
        rule_id str! 规则 | Rule
        starts time! 开始 | Starts
        ends time! 结束 | Ends
        finished bool! 已结束 | Finished
        due int! 应到 | Musts due
        done int! 已到 | Musts done
        missing str 缺项 | Missing
        evidence str 依据 | Evidence (track, checkin, both)
        outcome str! 结果 | Outcome (covered, missed, unknown, excused, open)
        cause str 原因 | Cause (not_passed, partial, silent, no_data, no_roster, no_device, exception)
        doubtful_checkins str 不计的打卡 | Check-ins that do not count alone
        """,
    ),
    _table(
        "density", "result", "人员配置 | Inspector density", "level area_id",
        """
        level str! 层级 | Level (work_grid, town, zone, county)
        area_id str! 编号 | Id
        name str 名称 | Name
        zone str 区位 | Zone (central, fringe, mixed)
        area_km2 float! 面积 | Area | km²
        required float! 应配 | Required
        allocated float! 已配 | Allocated
        on_duty float! 在岗 | On duty
        present float! 在场 | Present (time-averaged)
        gap float! 缺口 | Gap (required - allocated, at least 0)
        verdict str! 结论 | Verdict (enough, short, undecided)
        """,
    ),
    _table(
        "density_surface", "result", "人员密度面 | Density surface", "cell_id",
        """
        cell_id str! 单元 | Cell
        required_km2 float! 应配密度 | Required per km²
        allocated_km2 float! 已配密度 | Allocated per km²
        present_km2 float! 在场密度 | Present per km²
        gap_km2 float! 缺口密度 | Gap per km²
        geometry polygon! 几何 | Geometry
        """,
    ),
    _table(
        "hotspots", "result", "案件热点 | Case hotspots", "period starts category cell_id",
        """
        period str! 时段 | Period (day, week, month)
        starts date! 开始 | Starts
        category str! 类别 | Category (all: every category)
        cell_id str! 单元 | Cell
        cases int! 案件数 | Cases
        gi_z float Gi* | Gi* z
        p_value float P | p
        q_value float q | q (FDR)
        hotspot str! 结论 | Class (hot_99, hot_95, hot_90, none, cold_90, cold_95, cold_99, too_few)
        kde_km2 float! 核密度 | Kernel density per km²
        geometry polygon! 几何 | Geometry
        """,
    ),
    _table(
        "case_areas", "result", "案件分区统计 | Cases by area", "period area_id",
        """
        period str! 时段 | Period (day, week, month)
        starts date! 开始 | Starts
        area_id str! 网格 | Area
        name str 名称 | Name
        cases int! 案件数 | Cases
        cases_km2 float 案件密度 | Cases per km²
        in_time int! 按时办结 | Settled in time
        late int! 超时办结 | Settled late
        running int! 办理中 | Running
        overdue int! 已超时 | Overdue
        no_deadline int! 无期限 | Without a deadline
        not_judged int 未判定 | Not judged (suspended, no data, impossible)
        """,
    ),
    _table(
        "zonal", "result", "遥感统计 | Zonal statistics", "scene_id grid_id measure",
        """
        scene_id str! 影像编号 | Scene
        grid_id str! 网格编号 | Grid
        measure str! 指标 | Measure (ndvi, ndbi, red, …)
        mean float 均值 | Mean
        share float 超阈占比 | Share above threshold
        valid_share float! 有效占比 | Valid share
        """,
    ),
    _table(
        "zonal_change", "result", "遥感变化 | Change between scenes", "before_id after_id grid_id measure",
        """
        before_id str! 前期 | Before
        after_id str! 后期 | After
        grid_id str! 网格编号 | Grid
        measure str! 指标 | Measure
        mean_change float 均值变化 | Change of the mean
        loss_share float 减少占比 | Share with loss
        gain_share float 增加占比 | Share with gain
        valid_share float! 有效占比 | Valid share (both dates)
        """,
    ),
    _table(
        "people", "result", "人员日表 | People by day", "person_id",
        """
        person_id str! 人员编号 | Person id
        name str! 姓名 | Name
        role str! 角色 | Role
        unit_id str 单位 | Unit
        town_id str 镇街 | Town
        duty_s float! 应在岗 | Duty time | s
        observed_s float! 有轨迹 | Observed | s
        silent_s float! 失联 | Silent | s
        patrol_km float! 巡查里程 | Patrolled | km
        too_fast_km float! 过快里程 | Driven by too fast | km
        off_duty_fixes int! 下班定位数 | Off-duty fixes (counted, never shown)
        shared_device bool! 共用设备 | Shared a device
        """,
    ),
    _table(
        "device_days", "result", "设备日表 | Devices by day", "device_id",
        """
        device_id str! 设备编号 | Device id
        person_ids str 使用人 | Carried by (;)
        assigned bool! 已登记 | Assigned
        fixes int! 定位数 | Fixes
        duplicates int! 重复 | Duplicates
        jumps int! 跳点 | Jumps
        outside int! 范围外 | Outside
        median_interval_s float 间隔中位数 | Median interval | s
        longest_silence_s float 最长失联 | Longest silence | s
        matched_share float 匹配率 | Share of fixes matched
        first_fix time 首点 | First fix
        last_fix time 末点 | Last fix
        """,
    ),
    _table(
        "case_clocks", "result", "处置时限 | Disposal clocks", "case_id clock_id",
        """
        case_id str! 案件编号 | Case id
        clock_id str! 时限 | Clock
        started time! 起算 | Started
        due time 期限 | Due
        closed time 完成 | Done
        outcome str! 结果 | Outcome (on_time, late, running, overdue, suspended, no_figure, no_data, impossible)
        supervision str 督办 | Supervision
        decided_by str 判定依据 | Decided by (clause, limits, case_file, instruction)
        due_clause time 条款期限 | Due by the clause (or the standard's table of limits)
        outcome_clause str 按条款的结果 | Outcome by the clause
        due_file time 案件表期限 | Due by the case's file
        outcome_file str 按案件表期限的结果 | Outcome by the case's file
        cause str 原因 | Cause (impossible order, no data)
        provisional bool 暂定 | Provisional (holidays not published yet)
        """,
    ),
    _table(
        "unresolved", "result", "责任分工待改清单 | Responsibilities to be rewritten", "responsibility_id",
        """
        responsibility_id str! 编号 | Id
        source_name str 文件 | File
        source_row int 行 | Row
        source_text str 原文 | Text as written
        target_kind str 对象类型 | Target kind (section, work_grid, community_grid, unit)
        road_name str 道路 | Road
        from_name str 起 | From cross street
        to_name str 止 | To cross street
        person_id str 人员编号 | Person id
        reason_zh str! 原因 | Reason, in Chinese
        reason_en str! 原因（英文） | Reason
        write_zh str! 怎么写 | What to write, in Chinese
        write_en str! 怎么写（英文） | What to write
        """,
    ),
    _table(
        "findings", "result", "说明 | Findings and notes", "code subject",
        """
        code str! 代码 | Code
        subject str! 对象 | Subject
        count int! 数量 | Count
        zh str! 说明 | In Chinese
        en str! 说明（英文） | In English
        """,
    ),
)

# fmt: on

TABLES: dict[str, Table] = {t.name: t for t in (*_INPUT, *_DERIVED, *_RESULT)}
