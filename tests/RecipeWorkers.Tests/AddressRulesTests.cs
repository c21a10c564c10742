using System.Net;
using GuardedFetching;
using RecipeWorkers.Crawling;
using Xunit;

namespace RecipeWorkers.Tests;

public sealed class AddressRulesTests
{
    [Theory]
    [InlineData("pages.example", "http://pages.example/", true)]
    [InlineData("pages.example", "https://PAGES.example/x", true)]
    [InlineData("pages.example", "http://pages.example:8080/", false)]
    [InlineData("pages.example:8080", "http://pages.example:8080/", true)]
    [InlineData("pages.example:8080", "http://pages.example/", false)]
    [InlineData("pages.example:*", "http://pages.example:1234/", true)]
    [InlineData("pages.example", "http://notpages.example/", false)]
    [InlineData("pages.example", "http://pages.example.evil.example/", false)]
    [InlineData("*.pages.example", "http://a.pages.example/", true)]
    [InlineData("*.pages.example", "http://pages.example/", false)]
    [InlineData("*.pages.example", "http://evilpages.example/", false)]
    [InlineData("[::1]:*", "http://[::1]:5000/", true)]
    public void The_allow_list_is_by_host_and_port(string entry, string address, bool isAllowed) =>
        Assert.Equal(
            isAllowed, new AddressRules(new FetchOptions { AllowedHosts = [entry] }).Refuse(new Uri(address)) is null);

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("10.1.2.3")]
    [InlineData("192.168.0.1")]
    [InlineData("::1")]
    [InlineData("fd12::1")]
    public void Where_internal_hosts_are_named_no_other_leads_to_an_internal_address(string resolved)
    {
        var rules = new AddressRules(new FetchOptions
        {
            AllowedHosts = ["pages.example", "intranet.example"],
            InternalHosts = ["intranet.example"]
        });
        Assert.NotNull(rules.Refuse("pages.example", IPAddress.Parse(resolved)));
        Assert.Null(rules.Refuse("intranet.example", IPAddress.Parse(resolved)));
        Assert.Null(rules.Refuse("pages.example", IPAddress.Parse("93.184.216.34")));
    }

    [Theory]
    [InlineData("169.254.169.254")]
    [InlineData("169.254.1.1")]
    [InlineData("fe80::1")]
    [InlineData("fd00:ec2::254")]
    [InlineData("::ffff:169.254.169.254")]
    [InlineData("0.0.0.0")]
    public void A_name_that_leads_to_a_link_local_address_is_refused_unless_it_is_named_for_that(string resolved)
    {
        var address = IPAddress.Parse(resolved);
        Assert.NotNull(
            new AddressRules(new FetchOptions { AllowedHosts = ["pages.example"] }).Refuse("pages.example", address));
        Assert.Null(
            new AddressRules(new FetchOptions { AllowedHosts = ["pages.example"], LinkLocalHosts = ["pages.example"] })
                .Refuse("pages.example", address));
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("10.1.2.3")]
    [InlineData("192.168.1.1")]
    [InlineData("fd12::1")]
    public void A_wildcard_does_not_open_the_internal_network(string resolved)
    {
        var address = IPAddress.Parse(resolved);
        Assert.NotNull(
            new AddressRules(new FetchOptions { AllowedHosts = ["*.example"] }).Refuse("a.example", address));
        Assert.Null(new AddressRules(new FetchOptions { AllowedHosts = ["a.example"] }).Refuse("a.example", address));
    }

    [Theory]
    [InlineData("*")]
    [InlineData("*.")]
    [InlineData("host:port")]
    public void An_entry_that_allows_everything_or_nothing_is_an_error(string entry) =>
        Assert.Throws<ArgumentException>(() => new AddressRules(new FetchOptions { AllowedHosts = [entry] }));

    [Fact]
    public void Requests_to_one_host_are_spaced_and_other_hosts_do_not_wait()
    {
        var time = new StoppedClock();
        var pacer = new HostPacer(TimeSpan.FromSeconds(1), time);
        Assert.Equal(TimeSpan.Zero, pacer.Reserve("a"));
        Assert.Equal(TimeSpan.FromSeconds(1), pacer.Reserve("a"));
        Assert.Equal(TimeSpan.FromSeconds(2), pacer.Reserve("A"));
        Assert.Equal(TimeSpan.Zero, pacer.Reserve("b"));
        time.Now += TimeSpan.FromSeconds(5);
        Assert.Equal(TimeSpan.Zero, pacer.Reserve("a"));
    }

    [Theory]
    [InlineData("/a", true)]
    [InlineData("/private/x", false)]
    [InlineData("/private/open/x", true)]
    [InlineData("/x.pdf", false)]
    [InlineData("/x.pdf?y", true)]
    public void The_longest_rule_of_robots_txt_wins(string path, bool isAllowed)
    {
        var robots = Robots.Parse("# all\nUser-agent: *\nDisallow: /private\nAllow: /private/open\nDisallow: "
            + "/*.pdf$\n\nUser-agent: other\nDisallow: /\n");
        Assert.Equal(isAllowed, robots.Allows(new Uri(new Uri("http://h"), path)));
    }

    [Fact]
    public void Rules_for_our_own_name_replace_the_general_ones()
    {
        var robots = Robots.Parse("User-agent: *\nDisallow: /\n\nUser-agent: RecipeWorkers\nDisallow: /no\n");
        Assert.True(robots.Allows(new Uri("http://h/yes")));
        Assert.False(robots.Allows(new Uri("http://h/no")));
    }

    private sealed class StoppedClock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = DateTimeOffset.UnixEpoch;

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
