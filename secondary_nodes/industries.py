"""What each industry of the roster makes: the words that sample records are put together from.

Rules: generic product names only; no company, no person, no real identifier. Chinese text as a
register of the field would hold it, attribute names as its templates spell them.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Industry:
    """The vocabulary of one industry.

    Attributes:
        chinese, english: its name.
        classification: section/division/group/class of GB/T 4754-2017.
        products: (Chinese name, model stem) of what its enterprises make.
        attributes: (attribute name, possible Chinese values), two per industry.
        process: the production step of which quality reports speak.
    """

    chinese: str
    english: str
    classification: str
    products: tuple[tuple[str, str], ...]
    attributes: tuple[tuple[str, tuple[str, ...]], tuple[str, tuple[str, ...]]]
    process: str


INDUSTRIES: Final[dict[str, Industry]] = {
    "optics": Industry(
        "光通信",
        "Optical communication",
        "C/39/392/3921",
        (("光模块", "OM"), ("单模光纤", "SMF"), ("光缆", "OC"), ("光放大器", "EDFA")),
        (
            ("wavelength", ("850纳米", "1310纳米", "1550纳米")),
            ("rate", ("100吉比特每秒", "400吉比特每秒", "800吉比特每秒")),
        ),
        "耦合与老化",
    ),
    "chips": Industry(
        "集成电路",
        "Integrated circuits",
        "C/39/397/3973",
        (("闪存芯片", "NF"), ("微控制器", "MCU"), ("功率器件", "IGBT"), ("晶圆", "WF")),
        (
            ("package", ("球栅阵列", "四方扁平", "晶圆级封装")),
            ("grade", ("消费级", "工业级", "车规级")),
        ),
        "晶圆测试",
    ),
    "displays": Industry(
        "新型显示",
        "Displays",
        "C/39/397/3974",
        (("柔性屏", "FD"), ("液晶面板", "LCD"), ("背光模组", "BL"), ("触控模组", "TP")),
        (
            ("size", ("6.7英寸", "14英寸", "27英寸", "65英寸")),
            ("resolution", ("全高清", "2K", "4K")),
        ),
        "点灯检测",
    ),
    "terminals": Industry(
        "智能终端",
        "Smart terminals",
        "C/39/392/3922",
        (("平板电脑", "TB"), ("智能手表", "SW"), ("工业手持机", "HT"), ("家庭网关", "GW")),
        (
            ("colour", ("黑色", "白色", "深空灰")),
            ("storage", ("128吉字节", "256吉字节", "512吉字节")),
        ),
        "整机测试",
    ),
    "beidou": Industry(
        "网络安全与北斗",
        "BeiDou and network security",
        "C/40/402/4023",
        (("定位模块", "BD"), ("授时终端", "TM"), ("测量型接收机", "GR"), ("安全网关", "SG")),
        (
            ("accuracy", ("厘米级", "分米级", "米级")),
            ("band", ("单频", "双频", "三频")),
        ),
        "转台标定",
    ),
    "automotive": Industry(
        "汽车及零部件",
        "Automotive",
        "C/36/367/3670",
        (("驱动电机", "DM"), ("动力电池包", "BP"), ("制动卡钳", "BC"), ("转向节", "SK")),
        (
            ("material", ("铝合金", "球墨铸铁", "高强度钢")),
            ("vehicle", ("乘用车", "商用车", "专用车")),
        ),
        "下线检测",
    ),
    "biomedicine": Industry(
        "生物医药",
        "Biomedicine",
        "C/27/276/2761",
        (("诊断试剂盒", "DK"), ("冻干粉针", "LP"), ("疫苗", "VC"), ("医用敷料", "MD")),
        (
            ("storageCondition", ("2至8摄氏度", "零下20摄氏度", "常温避光")),
            ("specification", ("10支每盒", "50人份每盒", "100片每盒")),
        ),
        "无菌检验",
    ),
    "shipbuilding": Industry(
        "装备与船舶",
        "Shipbuilding and equipment",
        "C/37/373/3731",
        (("船用柴油机", "DE"), ("螺旋桨", "PR"), ("舵机", "SG"), ("船体分段", "HB")),
        (
            ("classSociety", ("入级证书齐全", "入级检验中", "型式认可")),
            ("shipType", ("集装箱船", "散货船", "内河电动船")),
        ),
        "台架试验",
    ),
    "steel": Industry(
        "钢铁",
        "Steel",
        "C/31/313/3130",
        (("冷轧硅钢", "SS"), ("热轧钢板", "HR"), ("高速钢轨", "RL"), ("汽车板", "AS")),
        (
            ("thickness", ("0.3毫米", "2.5毫米", "12毫米")),
            ("surface", ("镀锌", "酸洗", "涂油")),
        ),
        "拉伸试验",
    ),
    "chemicals": Industry(
        "化工",
        "Chemicals",
        "C/26/261/2614",
        (("乙二醇", "EG"), ("环氧树脂", "EP"), ("聚丙烯", "PP"), ("复合肥", "NPK")),
        (
            ("purity", ("工业级", "优级纯", "电子级")),
            ("packing", ("吨袋", "槽车", "25千克袋")),
        ),
        "色谱分析",
    ),
    "food": Industry(
        "食品与白酒",
        "Food and liquor",
        "C/15/151/1512",
        (("浓香型白酒", "NX"), ("清香型白酒", "QX"), ("莲子汁", "LZ"), ("热干面", "RG")),
        (
            ("netContent", ("500毫升", "245毫升", "100克")),
            ("shelfLife", ("12个月", "18个月", "长期")),
        ),
        "理化检验",
    ),
    "general": Industry(
        "综合",
        "General",
        "C/34/348/3484",
        (("减速机", "RD"), ("数控主轴", "SP"), ("工业机器人", "RB"), ("液压缸", "HC")),
        (
            ("ratedPower", ("1.5千瓦", "7.5千瓦", "22千瓦")),
            ("protection", ("IP54", "IP65", "IP67")),
        ),
        "装配检验",
    ),
}
