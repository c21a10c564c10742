using SafeAmqp.Publishing;
using static SafeAmqp.Tests.Publishing.Jobs;

namespace SafeAmqp.Tests.Publishing;

public sealed class NackWatchTests
{
    private readonly NackWatch _watch = new();

    [Fact]
    public void Ten_nacks_of_one_address_over_250_ms_are_a_storm()
    {
        Assert.DoesNotContain(true, Enumerable.Range(0, 9).Select(i => Nack(i * 28)));
        Assert.True(Nack(250));
    }

    [Fact]
    public void Ten_nacks_in_less_time_are_none_until_the_time_is_over()
    {
        Assert.DoesNotContain(true, Enumerable.Range(0, 20).Select(_ => Nack(0)));
        Assert.False(Nack(249));
        Assert.True(Nack(250));
    }

    [Fact]
    public void An_ack_of_the_same_address_begins_the_count_again_and_one_of_another_does_not()
    {
        for (int i = 0; i < 9; i++)
            Nack(i * 28);
        _watch.Acked([Job(exchange: "other", key: "a")]);
        _watch.Acked([Job(key: "b")]);
        _watch.Acked([Job(key: "a")]);
        Assert.False(Nack(252));
        for (int i = 1; i < 9; i++)
            Assert.False(Nack(252 + (i * 28)));
        Assert.True(Nack(600));
    }

    [Fact]
    public void Nacks_of_different_addresses_do_not_add_up()
    {
        for (int i = 0; i < 40; i++)
            Assert.False(_watch.Nacked([Job(key: $"key-{i % 5}")], Ms(i * 5)));
        Assert.True(Nacked("key-0", 600, 10));
    }

    [Fact]
    public void A_second_storm_within_ten_seconds_counts_for_nothing()
    {
        Assert.True(Nacked("a", 250, 20));
        Assert.False(Nacked("a", 10_200, 500));
        Assert.True(Nack(10_250));
    }

    [Fact]
    public void More_addresses_than_are_kept_do_not_grow_it_without_bound()
    {
        for (int i = 0; i < 10_000; i++)
            Assert.False(_watch.Nacked([Job(key: $"key-{i}")], Ms(i)));
        Assert.True(Nacked("a", 20_250, 20, from: 20_000));
    }

    private static long Ms(long milliseconds) => TimeSpan.FromMilliseconds(milliseconds).Ticks;

    private bool Nack(long at) => _watch.Nacked([Job(key: "a")], Ms(at));

    private bool Nacked(string key, long until, int times, long from = 0)
    {
        bool storm = false;
        for (int i = 0; i <= times; i++)
            storm |= _watch.Nacked([Job(key: key)], Ms(from + ((until - from) * i / times)));
        return storm;
    }
}
