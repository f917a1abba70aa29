// Names that the data sets lack or give under another form. [English, Chinese, latitude, longitude, rank];
// a lower rank is shown at a smaller scale.

export const PROVINCES = [
  ["Yunnan", "云南", 24.7, 101.5, 5], ["Sichuan", "四川", 30.6, 102.4, 5], ["Guizhou", "贵州", 26.9, 106.9, 5],
  ["Guangxi", "广西", 23.9, 108.5, 5], ["Tibet", "西藏", 31.4, 88.6, 5], ["Qinghai", "青海", 35.6, 95.9, 5],
  ["Xinjiang", "新疆", 41.4, 85.2, 5], ["Gansu", "甘肃", 38.3, 102.0, 5], ["Ningxia", "宁夏", 37.2, 106.1, 5],
  ["Shaanxi", "陕西", 35.3, 108.8, 5], ["Chongqing", "重庆", 30.1, 107.9, 5], ["Hunan", "湖南", 27.7, 111.7, 5],
  ["Hubei", "湖北", 31.2, 112.2, 5], ["Henan", "河南", 33.9, 113.5, 5], ["Shanxi", "山西", 37.4, 112.2, 5],
  ["Hebei", "河北", 38.3, 115.4, 5], ["Shandong", "山东", 36.3, 118.2, 5], ["Jiangsu", "江苏", 33.1, 119.8, 5],
  ["Anhui", "安徽", 31.8, 117.2, 5], ["Zhejiang", "浙江", 29.1, 120.1, 5], ["Jiangxi", "江西", 27.6, 115.7, 5],
  ["Fujian", "福建", 26.1, 118.0, 5], ["Guangdong", "广东", 23.6, 113.6, 5], ["Hainan", "海南", 19.2, 109.8, 5],
  ["Inner Mongolia", "内蒙古", 43.4, 115.2, 5], ["Liaoning", "辽宁", 41.2, 122.7, 5], ["Jilin", "吉林", 43.5, 126.3, 5],
  ["Heilongjiang", "黑龙江", 47.6, 128.6, 5],
];

export const WATERS = [
  ["Pacific Ocean", "太平洋", 18, 168, 2], ["Pacific Ocean", "太平洋", -8, -135, 2], ["Atlantic Ocean", "大西洋", 32, -42, 2],
  ["Atlantic Ocean", "大西洋", -18, -14, 2], ["Indian Ocean", "印度洋", -12, 78, 2], ["Arctic Ocean", "北冰洋", 82, -150, 2],
  ["Southern Ocean", "南大洋", -59, 60, 2],
  ["South China Sea", "南海", 14.2, 114.6, 3], ["East China Sea", "东海", 28.6, 125.2, 4], ["Yellow Sea", "黄海", 35.4, 123.2, 4],
  ["Bohai Sea", "渤海", 38.7, 119.8, 5], ["Philippine Sea", "菲律宾海", 19.5, 131.5, 4], ["Bay of Bengal", "孟加拉湾", 14.5, 88.3, 3],
  ["Arabian Sea", "阿拉伯海", 15.2, 65, 3], ["Andaman Sea", "安达曼海", 10.6, 95.8, 4], ["Gulf of Thailand", "泰国湾", 10.2, 101.2, 5],
  ["Mediterranean Sea", "地中海", 35.2, 18.2, 3], ["Black Sea", "黑海", 43.3, 34.2, 4], ["Caspian Sea", "里海", 41.8, 50.6, 4],
  ["Red Sea", "红海", 20.3, 38.6, 4], ["North Sea", "北海", 56.4, 3.2, 4], ["Baltic Sea", "波罗的海", 57.6, 19.6, 4],
  ["Norwegian Sea", "挪威海", 67.5, 3, 4], ["Bay of Biscay", "比斯开湾", 45.2, -4.8, 4], ["Adriatic Sea", "亚得里亚海", 43.0, 15.0, 5],
  ["Aegean Sea", "爱琴海", 38.6, 25.1, 5], ["Tyrrhenian Sea", "第勒尼安海", 40.0, 12.0, 5], ["Gulf of Mexico", "墨西哥湾", 25.2, -90.4, 4],
  ["Caribbean Sea", "加勒比海", 15, -74.6, 4], ["Hudson Bay", "哈得孙湾", 59.8, -85.6, 4], ["Bering Sea", "白令海", 58.2, -177.5, 4],
  ["Sea of Okhotsk", "鄂霍次克海", 53.2, 149.5, 4], ["Tasman Sea", "塔斯曼海", -38, 160, 4], ["Coral Sea", "珊瑚海", -16.5, 152.8, 4],
  ["Erhai Lake", "洱海", 25.79, 100.19, 7], ["Dianchi Lake", "滇池", 24.83, 102.69, 7], ["Lugu Lake", "泸沽湖", 27.70, 100.78, 8],
  ["Fuxian Lake", "抚仙湖", 24.52, 102.89, 7], ["Qinghai Lake", "青海湖", 36.9, 100.15, 5], ["Namtso", "纳木错", 30.74, 90.6, 6],
  ["Dongting Lake", "洞庭湖", 29.1, 112.8, 6], ["Poyang Lake", "鄱阳湖", 29.15, 116.28, 6], ["Lake Tai", "太湖", 31.2, 120.15, 6],
  ["Lake Baikal", "贝加尔湖", 53.5, 108.2, 4], ["Lake Balkhash", "巴尔喀什湖", 46.2, 74.3, 5], ["Tonlé Sap", "洞里萨湖", 12.85, 104.1, 6],
  ["Lake Victoria", "维多利亚湖", -1.1, 33, 4], ["Lake Tanganyika", "坦噶尼喀湖", -6.3, 29.6, 5], ["Lake Malawi", "马拉维湖", -12.0, 34.5, 5],
  ["Lake Superior", "苏必利尔湖", 47.6, -87.5, 4], ["Lake Michigan", "密歇根湖", 43.9, -87.0, 5], ["Lake Huron", "休伦湖", 44.8, -82.3, 5],
  ["Lake Erie", "伊利湖", 42.2, -81.2, 5], ["Lake Ontario", "安大略湖", 43.65, -77.9, 5], ["Lake Titicaca", "的的喀喀湖", -15.8, -69.4, 5],
  ["Lake Geneva", "日内瓦湖", 46.44, 6.52, 7], ["Lake Constance", "博登湖", 47.6, 9.45, 7], ["Lake Garda", "加尔达湖", 45.6, 10.65, 7],
  ["Lake Biwa", "琵琶湖", 35.28, 136.08, 7], ["Lake Ladoga", "拉多加湖", 60.8, 31.5, 5], ["Lake Onega", "奥涅加湖", 61.7, 35.6, 5],
  ["Lake Balaton", "巴拉顿湖", 46.85, 17.75, 7],
];

export const PEAKS = [
  ["Jade Dragon Snow Mountain 5596 m", "玉龙雪山 5596米", 27.098, 100.175, 8], ["Kawagarbo 6740 m", "卡瓦格博峰 6740米", 28.438, 98.683, 7],
  ["Haba Snow Mountain 5396 m", "哈巴雪山 5396米", 27.333, 100.1, 8], ["Mount Gongga 7556 m", "贡嘎山 7556米", 29.595, 101.879, 7],
  ["Mount Everest 8849 m", "珠穆朗玛峰 8849米", 27.988, 86.925, 6], ["Mount Fuji 3776 m", "富士山 3776米", 35.361, 138.727, 7],
  ["Mont Blanc 4806 m", "勃朗峰 4806米", 45.833, 6.865, 7], ["Matterhorn 4478 m", "马特洪峰 4478米", 45.976, 7.658, 8],
  ["Kilimanjaro 5895 m", "乞力马扎罗山 5895米", -3.067, 37.356, 6], ["Denali 6190 m", "德纳里山 6190米", 63.069, -151.007, 6],
  ["Aconcagua 6961 m", "阿空加瓜山 6961米", -32.653, -70.011, 6], ["Elbrus 5642 m", "厄尔布鲁士山 5642米", 43.353, 42.439, 6],
];

// Natural Earth's name of a river: [English, Chinese].
export const RIVERS = {
  "Chang Jiang (Yangtze)": ["Yangtze", "长江"], Yangtze: ["Yangtze", "长江"], "Jinsha (Yangtze)": ["Jinsha", "金沙江"],
  Tongtian: ["Tongtian", "通天河"], Tuotuo: ["Tuotuo", "沱沱河"], "Huang (Yellow)": ["Yellow River", "黄河"], Huang: ["Yellow River", "黄河"],
  "Lancang (Mekong)": ["Lancang", "澜沧江"], Mekong: ["Mekong", "湄公河"], Za: ["Za Qu", "扎曲"],
  "Nu (Salween)": ["Nu", "怒江"], Nu: ["Nu", "怒江"], Salween: ["Salween", "萨尔温江"],
  "Yarlung (Brahmaputra)": ["Yarlung Tsangpo", "雅鲁藏布江"], Brahmaputra: ["Brahmaputra", "布拉马普特拉河"],
  "Ayeyarwady (Irrawaddy)": ["Irrawaddy", "伊洛瓦底江"], Nanpan: ["Nanpan", "南盘江"], Hongshui: ["Hongshui", "红水河"],
  Xi: ["Xi", "西江"], Xun: ["Xun", "浔江"], Red: ["Red", "红河"], "Heilong Jiang (Amur)": ["Amur", "黑龙江"], Amur: ["Amur", "黑龙江"],
  Ganges: ["Ganges", "恒河"], Indus: ["Indus", "印度河"], "Amu Darya": ["Amu Darya", "阿姆河"], "Syr Darya": ["Syr Darya", "锡尔河"],
  Ob: ["Ob", "鄂毕河"], Irtysh: ["Irtysh", "额尔齐斯河"], Yenisey: ["Yenisei", "叶尼塞河"], Lena: ["Lena", "勒拿河"],
  Volga: ["Volga", "伏尔加河"], Ural: ["Ural", "乌拉尔河"], "Donau (Danube)": ["Danube", "多瑙河"], Danube: ["Danube", "多瑙河"],
  "Dnipro (Dnieper)": ["Dnieper", "第聂伯河"], Rhine: ["Rhine", "莱茵河"], Rhein: ["Rhine", "莱茵河"], Elbe: ["Elbe", "易北河"],
  Oder: ["Oder", "奥得河"], Vistula: ["Vistula", "维斯瓦河"], Seine: ["Seine", "塞纳河"], Loire: ["Loire", "卢瓦尔河"],
  Ebro: ["Ebro", "埃布罗河"], Tajo: ["Tagus", "塔霍河"], "Tejo (Tagus)": ["Tagus", "塔霍河"], Tigris: ["Tigris", "底格里斯河"],
  Dicle: ["Tigris", "底格里斯河"], Euphrates: ["Euphrates", "幼发拉底河"], "Al Furat": ["Euphrates", "幼发拉底河"],
  Nile: ["Nile", "尼罗河"], Niger: ["Niger", "尼日尔河"], Congo: ["Congo", "刚果河"], Zambezi: ["Zambezi", "赞比西河"], Orange: ["Orange", "奥兰治河"],
  Mississippi: ["Mississippi", "密西西比河"], Missouri: ["Missouri", "密苏里河"], Ohio: ["Ohio", "俄亥俄河"], Colorado: ["Colorado", "科罗拉多河"],
  Columbia: ["Columbia", "哥伦比亚河"], "Rio Grande": ["Rio Grande", "格兰德河"], "St. Lawrence": ["St. Lawrence", "圣劳伦斯河"],
  Mackenzie: ["Mackenzie", "马更些河"], Yukon: ["Yukon", "育空河"], Amazonas: ["Amazon", "亚马孙河"], Orinoco: ["Orinoco", "奥里诺科河"],
  Murray: ["Murray", "墨累河"], Darling: ["Darling", "达令河"], Yalong: ["Yalong", "雅砻江"], Jialing: ["Jialing", "嘉陵江"],
};

// GeoNames id of a town: its Chinese name, or [English, Chinese], where the list has another one.
export const CITY_NAMES = {
  1280013: ["Deqen", "德钦"], 1281674: ["Weixi", "维西"], 1280945: ["Jianchuan", "剑川"], 1785719: ["Heqing", "鹤庆"],
  1786382: ["Yongsheng", "永胜"], 1813299: ["Ninglang", "宁蒗"], 6644097: ["Binchuan", "宾川"], 1790442: ["Xiangyun", "祥云"],
  1800544: ["Midu", "弥渡"], 6644098: ["Weishan", "巍山"], 1279891: ["Tengchong", "腾冲"], 1279553: ["Eryuan", "洱源"],
  1280759: ["Yongping", "永平"], 1796195: ["Yangbi", "漾濞"], 1280948: ["Lanping", "兰坪"], 1281497: ["Gongshan", "贡山"],
  1280031: ["Fugong", "福贡"], 1280006: "石鼓", 1814093: "大理", 12277235: "大理古城", 1813253: "丽江", 7910932: "香格里拉",
  1804651: "昆明", 6825277: "石林", 1806146: ["Jianshui", "建水"], 1801806: ["Luoping", "罗平"], 1811281: ["Chengjiang", "澄江"],
  1802689: ["Chenggong", "呈贡"], 12358512: ["Mangshi", "芒市"], 13512503: "泸水", 1803590: "临沧", 1785710: "景洪",
  1786291: "永宁", 7304020: "凤凰", 8395541: "稻城", 13512708: "林芝", 1802171: "康定", 1792359: ["Huangshan", "黄山"], 1281019: ["Hotan", "和田"],
  1792350: ["Shuangbai", "双柏"], 1786364: ["Yongren", "永仁"], 1805745: ["Wuding", "武定"], 1786365: ["Fumin", "富民"],
  1786063: ["Yuanmou", "元谋"], 1810135: ["Mouding", "牟定"], 1802682: ["Nanhua", "南华"], 1812634: ["Yao’an", "姚安"],
  1805749: ["Dayao", "大姚"], 1805399: ["Lufeng", "禄丰"], 1798710: ["Luquan", "禄劝"], 1784272: ["Huaping", "华坪"],
  1280004: ["Yunlong", "云龙"], 1280008: ["Shidian", "施甸"], 1281542: ["Changning", "昌宁"], 1281270: ["Fengqing", "凤庆"],
  1787164: ["Yanyuan", "盐源"], 1798116: ["Muli", "木里"], 1798505: ["Puge", "普格"], 1798600: ["Ningnan", "宁南"],
  1799051: ["Miyi", "米易"], 1800636: ["Mianning", "冕宁"], 1809899: ["Xide", "喜德"], 1812956: ["Dechang", "德昌"],
  1806176: ["Yanbian", "盐边"], 1793049: ["Butuo", "布拖"], 1789186: ["Zhaojue", "昭觉"], 12492660: ["Longling", "龙陵"],
  1806854: ["Huili", "会理"], 1802476: ["Yimen", "易门"], 1804646: ["Jinning", "晋宁"],
};

// Towns to show whatever their size: GeoNames id to rank.
export const MORE_TOWNS = {
  1814093: 3, 1813253: 3, 7910932: 3, 12277235: 7, 1280013: 5, 1281674: 6, 1280945: 6, 1785719: 6, 1813299: 6, 1280006: 7,
  1785710: 4, 1279891: 5, 6825277: 6, 1806146: 5, 6644098: 7, 1786291: 7, 1786063: 6, 1785692: 7, 13512503: 5,
  1529531: 4, 1529114: 4, 1787323: 5, 1813171: 4, 7304020: 5, 1792359: 4, 1922014: 5, 8395541: 5, 13512708: 4, 1802171: 4,
};

// The usual mainland names of large cities, where the list's alternates would give a rarer one.
export const WORLD_NAMES = {
  Istanbul: "伊斯坦布尔", Lagos: "拉各斯", Jakarta: "雅加达", Ahmedabad: "艾哈迈达巴德", Abidjan: "阿比让", "Dar es Salaam": "达累斯萨拉姆",
  Alexandria: "亚历山大", Nairobi: "内罗毕", Dubai: "迪拜", Chennai: "金奈", "Addis Ababa": "亚的斯亚贝巴", Casablanca: "卡萨布兰卡",
  Caracas: "加拉加斯", Auckland: "奥克兰", "San Francisco": "旧金山", Washington: "华盛顿", Quezon: "奎松", "Quezon City": "奎松",
  Incheon: "仁川", Daegu: "大邱", Pune: "浦那", Brisbane: "布里斯班", Haiphong: "海防", Bekasi: "勿加泗", "Ho Chi Minh City": "胡志明市",
  "Mexico City": "墨西哥城", Kinshasa: "金沙萨", "Santo Domingo": "圣多明各", Curitiba: "库里蒂巴", Thane: "塔那", Davao: "达沃",
  Riyadh: "利雅得", Mumbai: "孟买", Houston: "休斯敦", Seoul: "首尔", Sydney: "悉尼", Makassar: "望加锡", Faisalabad: "费萨拉巴德",
  Giza: "吉萨", Kanpur: "坎普尔", Prague: "布拉格", Montevideo: "蒙得维的亚", Wellington: "惠灵顿", Monaco: "摩纳哥", "San José": "圣何塞",
  "San Salvador": "圣萨尔瓦多", Bridgetown: "布里奇敦", Fes: "非斯", Krasnoyarsk: "克拉斯诺亚尔斯克", "Nay Pyi Taw": "内比都",
  "Nizhniy Novgorod": "下诺夫哥罗德", Halifax: "哈利法克斯", Juba: "朱巴", Cebu: "宿务", Kingston: "金斯敦", Dublin: "都柏林",
  Reykjavik: "雷克雅未克", Edinburgh: "爱丁堡", Florence: "佛罗伦萨", Venice: "威尼斯", Naples: "那不勒斯", Milan: "米兰", Barcelona: "巴塞罗那",
  Lisbon: "里斯本", Munich: "慕尼黑", Frankfurt: "法兰克福", Cologne: "科隆", Zürich: "苏黎世", Geneva: "日内瓦", Brussels: "布鲁塞尔",
  Copenhagen: "哥本哈根", Oslo: "奥斯陆", Helsinki: "赫尔辛基", Warsaw: "华沙", Budapest: "布达佩斯", Bucharest: "布加勒斯特", Marseille: "马赛",
  Lyon: "里昂", Manchester: "曼彻斯特", Birmingham: "伯明翰", Glasgow: "格拉斯哥", Kolkata: "加尔各答", Karachi: "卡拉奇",
  "Phnom Penh": "金边", Vientiane: "万象", Sevilla: "塞维利亚", Bern: "伯尔尼", Köln: "科隆", Luxembourg: "卢森堡", "Le Havre": "勒阿弗尔", Malmö: "马尔默",
  Sarajevo: "萨拉热窝", Palermo: "巴勒莫", Belfast: "贝尔法斯特", Brest: "布雷斯特", Catania: "卡塔尼亚", Vaduz: "瓦杜兹", Wrocław: "弗罗茨瓦夫",
  "Kuala Lumpur": "吉隆坡", Colombo: "科伦坡", Kathmandu: "加德满都", Honolulu: "檀香山",
};

// Entries of the list that are not towns, or stand at a wrong place.
export const NOT_TOWNS = new Set([9931406]);

// Lakes of Yunnan that Natural Earth leaves out: schematic outlines drawn for this map, [longitude, latitude].
export const LAKES = [
  [ // Erhai
    [100.108, 25.955], [100.125, 25.962], [100.15, 25.957], [100.165, 25.94], [100.187, 25.92], [100.19, 25.903], [100.182, 25.885],
    [100.196, 25.868], [100.212, 25.845], [100.222, 25.825], [100.215, 25.8], [100.228, 25.775], [100.243, 25.75], [100.258, 25.722],
    [100.264, 25.7], [100.272, 25.675], [100.28, 25.65], [100.282, 25.625], [100.27, 25.608], [100.25, 25.6], [100.232, 25.602],
    [100.222, 25.615], [100.212, 25.64], [100.204, 25.668], [100.198, 25.695], [100.19, 25.72], [100.178, 25.75], [100.17, 25.78],
    [100.16, 25.81], [100.152, 25.838], [100.14, 25.865], [100.125, 25.89], [100.112, 25.915], [100.104, 25.938],
  ],
  [ // Dianchi
    [102.63, 25.02], [102.65, 25.015], [102.655, 24.975], [102.668, 24.962], [102.7, 24.958], [102.722, 24.935], [102.745, 24.905],
    [102.768, 24.875], [102.775, 24.845], [102.765, 24.815], [102.745, 24.785], [102.72, 24.755], [102.705, 24.725], [102.68, 24.7],
    [102.65, 24.685], [102.62, 24.688], [102.605, 24.705], [102.598, 24.735], [102.588, 24.765], [102.605, 24.785], [102.615, 24.815],
    [102.628, 24.85], [102.64, 24.885], [102.642, 24.92], [102.64, 24.95], [102.628, 24.985],
  ],
  [ // Fuxian
    [102.85, 24.62], [102.88, 24.635], [102.915, 24.632], [102.94, 24.61], [102.948, 24.58], [102.94, 24.545], [102.92, 24.515],
    [102.9, 24.48], [102.89, 24.45], [102.895, 24.415], [102.885, 24.38], [102.865, 24.37], [102.848, 24.385], [102.85, 24.415],
    [102.862, 24.45], [102.86, 24.485], [102.85, 24.52], [102.838, 24.555], [102.836, 24.59],
  ],
  [ // Lugu
    [100.752, 27.72], [100.765, 27.745], [100.785, 27.74], [100.8, 27.722], [100.815, 27.7], [100.812, 27.68], [100.8, 27.668],
    [100.79, 27.69], [100.775, 27.672], [100.762, 27.668], [100.76, 27.69],
  ],
];
