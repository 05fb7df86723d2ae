// The console's words, in both languages. One table, so that neither can lag behind; a test
// compares the keys.

export const WORDS = {
  en: {
    other: "中文", theme: "Theme", connecting: "connecting…", live: "live", lost: "connection lost, trying again…",
    paused: "paused while hidden", tiers: "Tiers", tools: "Tools", topology: "Network",
    ranking: "Secondary nodes", rankingNote: "by resolutions of identifiers below them, counted where these live",
    explain: "Explain", node: "Node", register: "Register", faults: "Faults", identifier: "Identifier",
    resolve: "Resolve", askNode: "Ask", fresh: "past all caches",
    explainHint: "Type an identifier of any scheme, or take a sample: pick an enterprise node in the tree.",
    values: "Values", moreValues: "One more value", overwrite: "replace what exists",
    registerHint: "Registered as the sample administrator of the prefix, over the Handle protocol, like any client would.",
    whatGoesWrong: "What goes wrong", howMuch: "How much", onlyFor: "Only for", seconds: "Seconds, 0: no end",
    addFault: "Let it go wrong", inForce: "In force", clearAll: "End all", noFaults: "Nothing goes wrong on purpose.",
    end: "End", fictional: "The prefixes are fictional; they are not allocations of any authority.",
    keys: "Keys: / explain, arrows in the tree, Enter to pick, Esc to leave.",
    allAnswer: "all {n} nodes answer", someSick: "{sick} of {n} nodes in trouble", someFaulty: "{n} nodes answer, {faulty} with faults",
    recursive: "Recursive", "top-level": "Top-level", secondary: "Secondary", enterprise: "Enterprise", root: "Root",
    perSecond: "answers/s", p99: "p99", hits: "cache hits", errors: "errors/s", target: "Towards 2 billion",
    left: "at this rate {time} left", noRate: "nothing was asked today", of: "of {n}", leaf: "records", route: "routes",
    up: "answers", faulty: "faults in force", stopped: "stopped", silent: "silent", down: "down", unknown: "not asked yet",
    widthNote: "width of a line: answers per second below it", role: "tier", prefix: "prefix", doors: "UDP, TCP", http: "HTTP",
    process: "process", records: "records", title: "title", parent: "parent", state: "state", rate: "answers/s",
    stop: "Stop this node", restore: "Restore it", slow: "Slow it down by 200 ms", errorNode: "Let it fail (code 3)",
    sample: "Explain a sample", openHttp: "Open its own page", pickNode: "Pick a node in the tree.",
    found: "found", notFound: "not found", failed: "failed", in: "in {time}", hit: "from the cache", miss: "not in the cache",
    stale: "stale, from the cache", negative: "known to be missing", bypass: "past the cache", cached: "known already",
    answer: "answer", referral: "refers to", error: "error", timeout: "no answer", "not found": "not found",
    authoritative: "authoritative", asks: "asks", rank: "#", enterprises: "enterprises", resolutions: "resolutions",
    success: "found", identifiers: "records", registered: "{handle} is registered at {node}", hops: "{n} hops",
    kindDelay: "slow (delay)", kindError: "answers an error", kindDrop: "loses requests", kindGarbage: "answers garbage",
    kindHang: "hangs", kindStop: "plays dead (stop)", kindDisk: "slow disk", affected: "{met} of {asked} requests",
    noHops: "Answered without asking anybody.", type: "type", value: "value",
    recent: "Trouble", recentHint: "The latest resolutions that failed or took long, with the path they took. Pick one to see it done again.",
    noRecent: "None so far.", tookLong: "slow", code: "code {code}", traceId: "trace {id}", forGood: "until it is ended", scheme: "read as {scheme}: {handle}",
  },
  zh: {
    other: "English", theme: "主题", connecting: "连接中…", live: "实时", lost: "连接中断，正在重试…",
    paused: "页面隐藏，已暂停", tiers: "层级", tools: "工具", topology: "网络拓扑",
    ranking: "二级节点排名", rankingNote: "按其下标识的解析量排序，在标识所在节点计数",
    explain: "解析追踪", node: "节点", register: "注册", faults: "故障演练", identifier: "标识",
    resolve: "解析", askNode: "询问", fresh: "绕过所有缓存",
    explainHint: "输入任意体系的标识；也可在拓扑中选一个企业节点取样例。",
    values: "标识值", moreValues: "增加一个值", overwrite: "覆盖已有记录",
    registerHint: "以该前缀的示例管理员身份，通过 Handle 协议注册，与普通客户端相同。",
    whatGoesWrong: "故障类型", howMuch: "程度", onlyFor: "仅限", seconds: "秒（0 为不限）",
    addFault: "注入故障", inForce: "生效中", clearAll: "全部结束", noFaults: "当前没有注入的故障。",
    end: "结束", fictional: "前缀均为虚构，并非任何机构的分配。",
    keys: "快捷键：/ 解析，方向键在拓扑中移动，Enter 选择，Esc 离开。",
    allAnswer: "{n} 个节点全部应答", someSick: "{n} 个节点中 {sick} 个异常", someFaulty: "{n} 个节点应答，{faulty} 个有注入故障",
    recursive: "递归节点", "top-level": "国家顶级节点", secondary: "二级节点", enterprise: "企业节点", root: "根节点",
    perSecond: "应答/秒", p99: "p99", hits: "缓存命中", errors: "错误/秒", target: "二十亿解析目标",
    left: "按当前速率还需 {time}", noRate: "今天还没有请求", of: "共 {n}", leaf: "记录", route: "路由",
    up: "正常", faulty: "故障演练中", stopped: "已停止", silent: "无应答", down: "不可达", unknown: "尚未询问",
    widthNote: "线宽：其下每秒应答数", role: "层级", prefix: "前缀", doors: "UDP、TCP", http: "HTTP",
    process: "进程", records: "记录数", title: "名称", parent: "上级", state: "状态", rate: "应答/秒",
    stop: "停止该节点", restore: "恢复该节点", slow: "减速 200 毫秒", errorNode: "使其出错（代码 3）",
    sample: "解析一个样例", openHttp: "打开节点页面", pickNode: "请在拓扑中选择一个节点。",
    found: "已找到", notFound: "未找到", failed: "失败", in: "用时 {time}", hit: "缓存命中", miss: "缓存未命中",
    stale: "缓存中的过期记录", negative: "缓存：不存在", bypass: "绕过缓存", cached: "已知",
    answer: "应答", referral: "指向", error: "错误", timeout: "无应答", "not found": "未找到",
    authoritative: "权威", asks: "询问", rank: "名次", enterprises: "企业数", resolutions: "解析量",
    success: "成功率", identifiers: "记录数", registered: "{handle} 已注册到 {node}", hops: "{n} 跳",
    kindDelay: "变慢（延迟）", kindError: "返回错误", kindDrop: "丢弃请求", kindGarbage: "返回乱码",
    kindHang: "挂起", kindStop: "停止（装死）", kindDisk: "磁盘变慢", affected: "{asked} 个请求中 {met} 个受影响",
    noHops: "无需询问其他节点。", type: "类型", value: "值",
    recent: "慢与失败", recentHint: "最近失败或耗时较长的解析及其路径；点击标识可重新追踪。",
    noRecent: "暂无。", tookLong: "耗时长", code: "代码 {code}", traceId: "追踪号 {id}", forGood: "直到手动结束", scheme: "识别为 {scheme}：{handle}",
  },
};

let language = "en";

export function setLanguage(name) {
  language = WORDS[name] ? name : "en";
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-word]")) {
    element.textContent = word(element.dataset.word);
  }
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", word(element.dataset.label));
  }
  return language;
}

export function word(key, values = {}) {
  const text = WORDS[language][key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export function number(value, digits = 0) {
  return value.toLocaleString(language === "zh" ? "zh-CN" : "en", { maximumFractionDigits: digits });
}

export function rate(value) {
  return number(value, value < 10 ? 1 : 0);
}

export function percent(ratio) {
  return ratio == null ? "–" : `${number(ratio * 100, ratio > 0.995 && ratio < 1 ? 2 : 1)} %`;
}

export function milliseconds(value) {
  if (value == null) return "–";
  if (value < 1) return `${number(value * 1000)} µs`;
  return value < 1000 ? `${number(value, value < 10 ? 2 : 0)} ms` : `${number(value / 1000, 1)} s`;
}

export function clock(unix) {
  return new Date(unix * 1000).toLocaleTimeString(language === "zh" ? "zh-CN" : "en-GB");
}

export function duration(seconds) {
  const units = language === "zh"
    ? [[31536000, "年"], [86400, "天"], [3600, "小时"], [60, "分钟"], [1, "秒"]]
    : [[31536000, "years"], [86400, "days"], [3600, "h"], [60, "min"], [1, "s"]];
  const [size, unit] = units.find(([s]) => seconds >= s * 1.5) ?? units.at(-1);
  return `${number(seconds / size, seconds / size < 10 ? 1 : 0)} ${unit}`;
}
