package preview

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// What a table shows of an object; the other formats show all.
const (
	mostFields = 4
	mostLines  = 3
	mostWidth  = 160
)

// PrintDifference writes a difference for people.
func PrintDifference(out io.Writer, d Difference) error {
	p := &printer{table: tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
	if d.Empty() {
		p.say("%s: nothing would change", d.Cluster)
	} else {
		p.say("%s would change.", d.Cluster)
	}
	p.objects(d.Objects)
	p.pods(d.Pods)
	p.settings(d.Settings)
	p.volumes(d.Volumes)
	if !d.Empty() {
		p.totals(d)
	}
	p.list("No room", d.Shortfalls)
	p.list("Notes", d.Notes)
	return write(p.table.Flush())
}

// printer writes lines; a tab starts a column. Its errors come out when the table is flushed.
type printer struct{ table *tabwriter.Writer }

func (p *printer) say(format string, arguments ...any) {
	_, _ = fmt.Fprintf(p.table, format+"\n", arguments...)
}

func (p *printer) list(title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	p.say("\n%s:", title)
	for _, line := range lines {
		p.say("  %s", line)
	}
}

var signs = map[string]string{"Create": "+", "Change": "~", "Recreate": "±", actionRemove: "-"}

func (p *printer) objects(changes []ObjectChange) {
	if len(changes) == 0 {
		return
	}
	p.say("\nOBJECTS")
	for _, change := range changes {
		p.say("%s %s %s", signs[change.Action], change.Kind, change.Name)
		for i, field := range change.Fields {
			if i == mostFields {
				p.say("    … and %d more fields: -o yaml shows all", len(change.Fields)-mostFields)
				break
			}
			p.field(field)
		}
	}
}

func (p *printer) field(f FieldChange) {
	if !strings.Contains(f.Old+f.New, "\n") {
		p.say("    %s: %s → %s", f.Path, shorten(f.Old), shorten(f.New))
		return
	}
	p.say("    %s:", f.Path)
	p.lines("-", f.Old)
	p.lines("+", f.New)
}

func (p *printer) lines(sign, text string) {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if i == mostLines {
			p.say("      %s … and %d more lines", sign, len(lines)-mostLines)
			return
		}
		p.say("      %s %s", sign, shorten(line))
	}
}

// shorten keeps a value on a line; a tab would start a column.
func shorten(text string) string {
	runes := []rune(strings.ReplaceAll(text, "\t", " "))
	switch {
	case len(runes) == 0:
		return "none"
	case len(runes) > mostWidth:
		return string(runes[:mostWidth]) + "…"
	}
	return string(runes)
}

func (p *printer) pods(groups []PodGroup) {
	if len(groups) == 0 {
		return
	}
	p.say("\nPODS, those of a group in this order")
	for _, group := range groups {
		p.say("%s", group.Name)
		for _, step := range group.Steps {
			p.say("  %s\t%s\t%s", podWords[step.Action], step.Pod, step.Detail)
		}
	}
}

var podWords = map[PodAction]string{
	PodCreate: "create", PodResize: "resize in place", PodRestart: "restart", PodHandOver: "hand over",
	PodRoll: "roll", PodRemove: "remove", PodWait: "wait",
}

func (p *printer) settings(changes []SettingChange) {
	if len(changes) == 0 {
		return
	}
	p.say("\nSETTING\tOLD\tNEW\tTAKES")
	for _, s := range changes {
		p.say("%s.%s\t%s\t%s\t%s", s.Component, s.Name, shorten(s.Old), shorten(s.New), settingWords[s.Takes])
	}
}

var settingWords = map[string]string{takesReload: "effect while it runs", takesRestart: "a restart"}

func (p *printer) volumes(changes []VolumeChange) {
	if len(changes) == 0 {
		return
	}
	p.say("\nVOLUMES of pods that are removed")
	for _, change := range changes {
		p.say("  %s\t%s", change.Name, volumeWords[change.Action])
	}
}

var volumeWords = map[string]string{volumeKeep: "is kept", volumeDelete: "is deleted: a cache is not data"}

func (p *printer) totals(d Difference) {
	p.say("\nTOTALS\tPODS\tCPU\tMEMORY\tSTORAGE")
	p.total("scaled down", d.Minimum)
	p.total("scaled up", d.Maximum)
}

func (p *printer) total(name string, t TotalsChange) {
	cell := func(before, after, difference string) string {
		switch {
		case before == after:
			return after
		case !strings.HasPrefix(difference, "-"):
			difference = "+" + difference
		}
		return fmt.Sprintf("%s → %s (%s)", before, after, difference)
	}
	b, a, d := t.Before, t.After, t.Difference
	p.say("%s\t%s\t%s\t%s\t%s", name,
		cell(fmt.Sprint(b.Pods), fmt.Sprint(a.Pods), fmt.Sprint(d.Pods)),
		cell(b.CPU, a.CPU, d.CPU), cell(b.Memory, a.Memory, d.Memory), cell(b.Storage, a.Storage, d.Storage))
}
