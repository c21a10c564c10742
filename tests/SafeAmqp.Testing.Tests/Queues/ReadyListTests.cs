using SafeAmqp.Testing.Protocol;
using SafeAmqp.Testing.Queues;

namespace SafeAmqp.Testing.Tests.Queues;

public sealed class ReadyListTests
{
    private static readonly Message Any = new("", "q", ContentProperties.Read([0, 0]), []);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void What_comes_back_stands_where_it_was_wherever_that_is(int seed)
    {
        var random = new Random(seed);
        var ready = new ReadyList(priorities: 0, takesTurns: false);
        var expected = new SortedSet<long>();
        List<QueueEntry> taken = [];
        long next = 0;
        for (int step = 0; step < 5_000; step++)
        {
            switch (random.Next(4))
            {
                case 0 or 1:
                    ready.Append(new QueueEntry(Any, next));
                    expected.Add(next++);
                    break;
                case 2 when ready.Count > 0:
                    taken.Add(ready.Take());
                    expected.Remove(taken[^1].Position);
                    break;
                case 3 when taken.Count > 0:
                    int which = random.Next(taken.Count);
                    ready.Return(taken[which]);
                    expected.Add(taken[which].Position);
                    taken.RemoveAt(which);
                    break;
            }
            Assert.Equal(expected.Count, ready.Count);
        }
        Assert.Equal(expected, ready.All.Select(entry => entry.Position));
        while (ready.Count > 0)
        {
            Assert.Equal(expected.Min, ready.Take().Position);
            expected.Remove(expected.Min);
        }
    }
}
