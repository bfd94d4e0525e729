package manifest

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Forever is the grace period of a program that is never killed.
const Forever = 1 << 31 * time.Second

const (
	day   = 24 * time.Hour
	year  = 365*day + 6*time.Hour // 365.25 days
	month = year / 12
)

// spanUnits are the units of systemd's time spans (systemd.time(7), systemd 258). A number without a
// unit is in seconds.
var spanUnits = map[string]time.Duration{
	"usec": time.Microsecond, "us": time.Microsecond, "µs": time.Microsecond, "μs": time.Microsecond,
	"msec": time.Millisecond, "ms": time.Millisecond,
	"": time.Second, "seconds": time.Second, "second": time.Second, "sec": time.Second, "s": time.Second,
	"minutes": time.Minute, "minute": time.Minute, "min": time.Minute, "m": time.Minute,
	"hours": time.Hour, "hour": time.Hour, "hr": time.Hour, "h": time.Hour,
	"days": day, "day": day, "d": day,
	"weeks": 7 * day, "week": 7 * day, "w": 7 * day,
	"months": month, "month": month, "M": month,
	"years": year, "year": year, "y": year,
}

var spanPart = regexp.MustCompile(`^\s*(\+?[0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([A-Za-zµμ]*)`)

// timespan parses a time span of systemd, such as 5min 20s. systemd counts microseconds in 64 bits, and
// rejects a greater number (parse_time in src/basic/time-util.c, systemd 258).
func timespan(text string) (d time.Duration, ok bool) {
	text = strings.TrimSpace(text)
	if text == "infinity" {
		return Forever, true
	}
	var sum float64
	for rest := text; rest != "" || text == ""; {
		m := spanPart.FindStringSubmatch(rest)
		if m == nil {
			return 0, false
		}
		unit, known := spanUnits[m[2]]
		n, err := strconv.ParseFloat(m[1], 64)
		if !known || err != nil || math.Floor(n) >= float64(math.MaxUint64/uint64(unit/time.Microsecond)) {
			return 0, false
		}
		sum += n * float64(unit)
		rest = strings.TrimSpace(rest[len(m[0]):])
	}
	return time.Duration(math.Min(math.Round(sum), float64(Forever))), true
}
