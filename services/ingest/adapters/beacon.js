// The page's own beacon. Nothing is stored or sent before consent where data-consent="wait"; no cookie without data-cookie.
(function (w, d) {
  var me = d.currentScript, o = me.dataset, door = new URL(me.src).origin;
  var to = door + "/v1/beacon?key=" + encodeURIComponent(o.key), may = o.consent != "wait", customer;
  var held = [], seen = {}, timer, wait = 1e3, busy, Q = "tactus.queue", V = "tactus.visitor";

  function random() {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), function (b) { return (b + 256).toString(16).slice(1); }).join("");
  }
  // Storage may be forbidden or full: then this page's memory is the queue.
  function get(name) { try { return w.localStorage.getItem(name); } catch (e) {} }
  function put(name, value) { try { w.localStorage.setItem(name, value); } catch (e) {} }
  function queue() { try { return JSON.parse(get(Q)) || []; } catch (e) { return []; } }
  function all() {
    var ids = {};
    return queue().concat(held).filter(function (e) { return !ids[e.id] && (ids[e.id] = 1); });
  }
  function visitor() {
    var cookie = o.cookie != null && (d.cookie.match(/(?:^|; )tactus=(\w+)/) || [])[1];
    var id = cookie || get(V) || random();
    put(V, id);
    if (o.cookie != null) d.cookie = "tactus=" + id + ";path=/;max-age=34560000;SameSite=Lax" + (o.cookie ? ";domain=" + o.cookie : "");
    return (visitor = function () { return id; })();
  }
  // An event is whole when it happens, but for whom it is about: before consent nobody has a name.
  function whole(e) {
    if (!e.data.identities) {
      e.data.identities = [{ kind: "anonymous", value: visitor() }];
      if (customer) e.data.identities.push({ kind: "customer", value: customer });
    }
    return e;
  }
  function keep() {
    held = held.map(whole);
    put(Q, JSON.stringify(all().slice(-200)));
  }
  function track(touchpoint, more) {
    if ((seen[touchpoint] = (seen[touchpoint] || 0) + 1) > 50) return;
    held.push({ id: random(), time: new Date().toISOString(), data: Object.assign({ touchpoint: touchpoint, channel: "web" }, more) });
    held = held.slice(-200);
    if (may) { keep(); later(); }
  }
  function later() { timer = timer || setTimeout(flush, wait); }
  function batch() {
    var some = all().slice(0, 50);
    while (JSON.stringify(some).length > 6e4 && some.length > 1) some.pop();
    return some;
  }
  // Text without headers of its own asks no preflight; what was not acknowledged stays, and counts once by its id.
  function flush() {
    timer = 0;
    var some = batch();
    if (!may || busy || !some.length) return;
    busy = 1;
    fetch(to, { method: "POST", body: JSON.stringify(some), keepalive: true, credentials: "omit" }).then(function (r) {
      if (r.status == 429 || r.status > 499) throw wait = 1e3 * (r.headers.get("Retry-After") || 0);
      var ids = some.map(function (e) { return e.id; }), rest = all().filter(function (e) { return ids.indexOf(e.id) < 0; });
      held = held.filter(function (e) { return ids.indexOf(e.id) < 0; });
      put(Q, JSON.stringify(rest));
      wait = 1e3; busy = 0;
      if (rest.length) later();
    }).catch(function () { busy = 0; wait = Math.min(Math.max(wait * 2, 2e3), 3e5); later(); });
  }
  function leave() {
    if (lcp > 2500) { track("web.page_slow", { properties: { wait_seconds: lcp / 1e3, path: path } }); lcp = 0; }
    var some = may ? batch() : [];
    if (some.length) navigator.sendBeacon(to, JSON.stringify(some));
  }
  var path, lcp = 0, clicks = [];
  function view() {
    if (path != location.pathname) track("web.page_viewed", { properties: { path: path = location.pathname } });
  }
  function failed() { track("web.error_shown", { properties: { path: path } }); }

  w.tactus = {
    track: track,
    identify: function (id) { customer = id; },
    consent: function (yes) { may = !!yes; if (may) { keep(); later(); } else { held = []; try { w.localStorage.removeItem(Q); w.localStorage.removeItem(V); } catch (e) {} } }
  };
  try { new PerformanceObserver(function (l) { l.getEntries().forEach(function (e) { lcp = e.startTime; }); }).observe({ type: "largest-contentful-paint", buffered: true }); } catch (e) {}
  d.addEventListener("click", function (e) {
    clicks = clicks.filter(function (c) { return e.timeStamp - c.timeStamp < 1e3 && Math.hypot(c.x - e.x, c.y - e.y) < 30; }).concat(e);
    if (clicks.length == 3) track("web.frustration", { properties: { path: path } });
  }, true);
  w.addEventListener("error", failed);
  w.addEventListener("unhandledrejection", failed);
  w.addEventListener("online", function () { wait = 1e3; later(); });
  d.addEventListener("visibilitychange", function () { if (d.visibilityState == "hidden") leave(); });
  ["pushState", "replaceState"].forEach(function (name) {
    var was = history[name];
    history[name] = function () { was.apply(history, arguments); view(); };
  });
  w.addEventListener("popstate", view);
  view();
  if (may && all().length) later();
})(window, document);
