
using SafeAmqp.Actor;

namespace SafeAmqp.Tests.Actor;

public sealed class ReconnectPolicyTests
{
    private static readonly ReconnectPolicy Policy = new(
        TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(30));

    [Theory]
    [InlineData(1, 100)]
    [InlineData(2, 200)]
    [InlineData(3, 400)]
    [InlineData(6, 3_200)]
    [InlineData(7, 5_000)]
    [InlineData(100, 5_000)]
    [InlineData(int.MaxValue, 5_000)]
    public void The_bound_doubles_up_to_the_cap(int attempt, int milliseconds)
    {
        Assert.Equal(TimeSpan.Zero, Policy.Delay(attempt, 0, refused: false));
        Assert.Equal(TimeSpan.FromMilliseconds(milliseconds / 2.0), Policy.Delay(attempt, 0.5, refused: false));
        Assert.True(Policy.Delay(attempt, 0.9999999, refused: false) < TimeSpan.FromMilliseconds(milliseconds));
    }

    [Fact]
    public void After_a_refusal_the_wait_is_long_and_always_the_same()
        => Assert.Equal(
            [TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(30)],
            [Policy.Delay(1, 0, refused: true), Policy.Delay(50, 0.9, refused: true)]);

    [Fact]
    public void Very_long_waits_do_not_overflow()
    {
        var slow = new ReconnectPolicy(TimeSpan.FromMinutes(1), TimeSpan.FromHours(1), TimeSpan.FromHours(1));
        Assert.Equal(TimeSpan.FromMinutes(30), slow.Delay(int.MaxValue, 0.5, refused: false));
    }
}
