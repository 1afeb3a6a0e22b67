package report

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
	"time"
)

// Sizes of the plot in pixels.
const (
	rowHeight    = 22
	faultHeight  = 30
	labelWidth   = 210
	plotWidth    = 640
	margin       = 20
	legendHeight = 34
)

// Colours that people who see red and green alike can tell apart.
var colours = []string{"#0072b2", "#56b4e9", "#d55e00", "#e69f00", "#009e73"}

// Plot is a strip plot: one dot for the gap of each round, one strip for each fault and case, on a
// logarithmic scale.
func Plot(results Results) string {
	all := groups(results.Rounds)
	scale := newScale(results.Rounds)
	var strips strings.Builder
	var cases []string
	y, fault := legendHeight, ""
	for _, g := range all {
		if g.fault != fault {
			fault = g.fault
			y += faultHeight
			fmt.Fprintf(&strips, `<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n", margin, y-8, html.EscapeString(fault))
		}
		if !slices.Contains(cases, g.name) {
			cases = append(cases, g.name)
		}
		colour := colours[slices.Index(cases, g.name)%len(colours)]
		middle := y + rowHeight/2
		fmt.Fprintf(&strips, `<text x="%d" y="%d" fill="#444">%s</text>`+"\n", margin+12, middle+4, html.EscapeString(g.name))
		fmt.Fprintf(&strips, `<line x1="%d" x2="%d" y1="%d" y2="%d" stroke="#e8e8e8"/>`+"\n", labelWidth, labelWidth+plotWidth, middle, middle)
		for i, round := range g.rounds {
			strips.WriteString(dot(scale.x(round.Gap), middle+(i%3-1)*4, colour, round))
		}
		y += rowHeight
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n",
		labelWidth+plotWidth+margin, y+legendHeight) +
		`<rect width="100%" height="100%" fill="white"/>` + "\n" +
		fmt.Sprintf(`<text x="%d" y="20">Longest time without an acknowledged write, in seconds: one dot a round</text>`+"\n", margin) +
		scale.grid(legendHeight+faultHeight, y) + strips.String() + "</svg>\n"
}

// dot is hollow when writes never came back, and has a red rim when any were lost.
func dot(x float64, y int, colour string, round Round) string {
	fill, stroke := colour, "none"
	if !round.Recovered {
		fill, stroke = "white", colour
	}
	if len(round.Loss.Lost) > 0 {
		stroke = "red"
	}
	return fmt.Sprintf(`<circle cx="%.1f" cy="%d" r="4" fill="%s" stroke="%s" stroke-width="2" fill-opacity="0.8"><title>round %d: %s s, %d lost</title></circle>`+"\n",
		x, y, fill, stroke, round.Round, seconds(round.Gap), len(round.Loss.Lost))
}

// scale is logarithmic between two powers of ten seconds.
type scale struct{ least, most float64 }

func newScale(rounds []Round) scale {
	s := scale{least: -1, most: 1}
	for _, round := range rounds {
		if round.Gap > 0 {
			s.least = min(s.least, math.Floor(math.Log10(round.Gap.Seconds())))
			s.most = max(s.most, math.Ceil(math.Log10(round.Gap.Seconds())))
		}
	}
	return s
}

func (s scale) x(gap time.Duration) float64 {
	power := s.least
	if gap > 0 {
		power = math.Log10(gap.Seconds())
	}
	return labelWidth + plotWidth*(power-s.least)/(s.most-s.least)
}

func (s scale) grid(top, bottom int) string {
	var text strings.Builder
	for power := s.least; power <= s.most; power++ {
		for _, times := range []float64{1, 2, 5} {
			at := time.Duration(times * math.Pow(10, power) * float64(time.Second))
			x := s.x(at)
			if x > labelWidth+plotWidth+1 {
				break
			}
			fmt.Fprintf(&text, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#ccc"/>`, x, x, top, bottom)
			fmt.Fprintf(&text, `<text x="%.1f" y="%d" text-anchor="middle" fill="#444">%g</text>`+"\n", x, bottom+16, at.Seconds())
		}
	}
	return text.String()
}
