package bot

import (
	"permanence/statuspage"
)

// PlanWork announces planned work, after its times were shown in full.
func (c *Call) PlanWork(text string) error {
	return c.announcing("maintenance.plan", statuspage.Incident{}, text)
}

// MoveWork gives planned work other times, after they were shown in full.
func (c *Call) MoveWork(number int64, raw, rest string) error {
	return c.about(statuspage.Maintenance, "maintenance.move", number, raw, rest)
}

// CancelWork says that planned work will not take place.
func (c *Call) CancelWork(number int64, raw, rest string) error {
	return c.about(statuspage.Maintenance, "maintenance.cancel", number, raw, rest)
}

// EndWork says that planned work is done.
func (c *Call) EndWork(number int64, raw, rest string) error {
	return c.about(statuspage.Maintenance, "maintenance.end", number, raw, rest)
}

// BeginWork says that planned work begins, before its time.
func (c *Call) BeginWork(number int64, raw, rest string) error {
	return c.about(statuspage.Maintenance, "maintenance.start", number, raw, rest)
}
