package sizing

import (
	"fmt"
	"sync"
	"time"
)

// mostZones is how many time zones are remembered. The IANA Time Zone Database has some hundred, but files can be named in many ways.
const mostZones = 1000

// zones are time zones that were asked for, by name: to read one from a file takes longer than to evaluate a rule by it.
var zones = struct {
	sync.Mutex
	byName map[string]*time.Location
}{byName: map[string]*time.Location{}}

// Zone is the time zone of a name of the IANA Time Zone Database.
func Zone(name string) (*time.Location, error) {
	if name == "" || name == "Local" { // which mean UTC and the zone of the machine to package time
		return nil, unknownZone(name)
	}
	zones.Lock()
	defer zones.Unlock()
	if zone := zones.byName[name]; zone != nil {
		return zone, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, unknownZone(name)
	}
	if len(zones.byName) >= mostZones {
		clear(zones.byName)
	}
	zones.byName[name] = zone
	return zone, nil
}

func unknownZone(name string) error {
	return fmt.Errorf("time zone %q is none of the IANA Time Zone Database, such as Europe/Berlin", name)
}
