using SafeAmqp.Chaos.Faults;

namespace SafeAmqp.Chaos.Tests;

public sealed class ScheduleTests
{
    [Fact]
    public void The_same_seed_gives_the_same_schedule_of_faults()
    {
        Assert.Equal(Schedule.For(7, FaultCatalog.Names).Take(500), Schedule.For(7, FaultCatalog.Names).Take(500));
        Assert.NotEqual(Schedule.For(7, FaultCatalog.Names).Take(500), Schedule.For(8, FaultCatalog.Names).Take(500));
    }

    [Fact]
    public void Every_kind_comes_before_any_comes_again()
    {
        Assert.True(FaultCatalog.Names.Count >= 30, $"{FaultCatalog.Names.Count} kinds");
        Assert.Equal(FaultCatalog.Names.Count, FaultCatalog.Names.Distinct().Count());
        Assert.Equal(
            FaultCatalog.Names.Order(),
            Schedule.For(1, FaultCatalog.Names).Take(FaultCatalog.Names.Count).Select(plan => plan.Kind).Order());
    }
}
