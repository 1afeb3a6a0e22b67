// Package certs makes and renews the certificates of one platform: an authority of its own, and one
// certificate for each kind of server. It decides from certificates and a time alone; it reads and
// writes nothing.
package certs

import (
	"bytes"
	"slices"
	"strings"
	"time"
)

// Policy is how long things last.
type Policy struct {
	// Authority is the lifetime of an authority; a new one is made when less than RotateBefore of it is left.
	Authority, RotateBefore time.Duration
	// Leaf is the lifetime of a certificate; it is renewed at the age of RenewAfter. With less than
	// half of Leaf, a pod that missed one renewal is served by the next.
	Leaf, RenewAfter time.Duration
	// Settle is how long after a change every pod has it for sure.
	Settle time.Duration
}

const day = 24 * time.Hour

// Default policy. A kubelet takes about a minute to bring a changed Secret to a pod; the rest of a
// day is for pods that are held up.
var Default = Policy{
	Authority: 3650 * day, RotateBefore: 365 * day,
	Leaf: 90 * day, RenewAfter: 30 * day,
	Settle: day,
}

// Pair is a certificate and its key, in PEM.
type Pair struct{ Certificate, Key []byte }

// Leaf is a certificate of a server, with the authorities that its clients are to trust. It is made
// anew whenever these change: the age of the certificate is also the age of the trust beside it.
type Leaf struct {
	Pair

	Trust []byte
}

// State is everything that is kept. Authorities are oldest first, two while one follows the other.
type State struct {
	Authorities []Pair
	Leaves      map[string]Leaf
}

// Next is the state that should follow, and when to ask again. names are the DNS names of every leaf
// there should be.
//
// An authority is replaced so that at any time what one pod shows is trusted by any other, however
// late within Settle either of them is: the new authority is trusted everywhere first, then signs,
// and the old one is trusted until nobody shows what it signed.
func (p Policy) Next(now time.Time, state State, names map[string][]string) (State, time.Time, error) {
	authorities, err := parseAuthorities(state.Authorities)
	if err != nil {
		return State{}, time.Time{}, err
	}
	leaves, err := parseLeaves(state.Leaves, names)
	if err != nil {
		return State{}, time.Time{}, err
	}
	switch {
	case len(authorities) == 0:
		authorities, err = p.appendAuthority(now, nil)
	case len(authorities) == 1 && !now.Before(authorities[0].NotAfter.Add(-p.RotateBefore)):
		authorities, err = p.appendAuthority(now, authorities)
	case len(authorities) > 1 && p.settled(now, leaves, names, authorities[1].signed):
		authorities = authorities[1:]
	}
	if err != nil {
		return State{}, time.Time{}, err
	}
	next, err := p.renew(now, authorities, leaves, names)
	if err != nil {
		return State{}, time.Time{}, err
	}
	when, err := p.wake(next)
	return next, when, err
}

// renew keeps the leaves that are as they should be, and issues the others.
func (p Policy) renew(now time.Time, authorities []authority, leaves map[string]certificate, names map[string][]string) (State, error) {
	next := State{Leaves: map[string]Leaf{}}
	for _, a := range authorities {
		next.Authorities = append(next.Authorities, a.pair)
	}
	issuer := p.issuer(now, authorities, leaves, names)
	trust := joined(authorities)
	for name, dnsNames := range names {
		have, exists := leaves[name]
		if exists && bytes.Equal(have.leaf.Trust, trust) && issuer.signed(have) &&
			now.Before(p.renewal(have)) && have.isFor(dnsNames) {
			next.Leaves[name] = have.leaf
			continue
		}
		pair, err := p.issue(now, issuer, dnsNames)
		if err != nil {
			return State{}, err
		}
		next.Leaves[name] = Leaf{pair, trust}
	}
	return next, nil
}

// issuer signs: the newest authority, once every leaf has been published with it for long enough.
func (p Policy) issuer(now time.Time, authorities []authority, leaves map[string]certificate, names map[string][]string) authority {
	oldest, newest := authorities[0], authorities[len(authorities)-1]
	expired := !now.Before(oldest.NotAfter.Add(-p.Settle))
	if expired || p.settled(now, leaves, names, newest.trusted) {
		return newest
	}
	return oldest
}

// settled says whether every leaf fulfils a condition, and has for long enough.
func (p Policy) settled(now time.Time, leaves map[string]certificate, names map[string][]string, condition func(certificate) bool) bool {
	for name := range names {
		leaf, exists := leaves[name]
		if !exists || !condition(leaf) || now.Before(leaf.issued().Add(p.Settle)) {
			return false
		}
	}
	return true
}

// renewal is when a leaf is due.
func (p Policy) renewal(leaf certificate) time.Time {
	due := leaf.issued().Add(p.RenewAfter)
	if last := leaf.NotAfter.Add(-p.Settle); last.Before(due) {
		return last
	}
	return due
}

// wake is when something in the state is due next.
func (p Policy) wake(state State) (time.Time, error) {
	authorities, err := parseAuthorities(state.Authorities)
	if err != nil {
		return time.Time{}, err
	}
	when := authorities[0].NotAfter.Add(-p.RotateBefore)
	for _, leaf := range state.Leaves {
		parsed, err := parse(leaf.Pair)
		if err != nil {
			return time.Time{}, err
		}
		settled, due := parsed.issued().Add(p.Settle), p.renewal(parsed)
		switch {
		case len(authorities) > 1 && settled.After(when):
			when = settled
		case len(authorities) == 1 && due.Before(when):
			when = due
		}
	}
	return when, nil
}

// isFor says whether a certificate is for exactly these names.
func (c certificate) isFor(dnsNames []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(c.DNSNames)), slices.Sorted(slices.Values(dnsNames)))
}

func joined(authorities []authority) []byte {
	var text strings.Builder
	for _, a := range authorities {
		text.Write(a.pair.Certificate)
	}
	return []byte(text.String())
}
