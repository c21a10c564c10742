using SafeAmqp.Publishing;
using static SafeAmqp.Tests.Publishing.Jobs;

namespace SafeAmqp.Tests.Publishing;

public sealed class ConfirmLedgerTests
{
    private readonly ConfirmLedger _ledger = new(8);
    private readonly List<OutgoingJob> _jobs = [];

    [Fact]
    public void A_single_answer_takes_its_own_publish_alone_in_any_order()
    {
        Add(4);
        Assert.Equal([3], Take(3));
        Assert.Equal([1], Take(1));
        Assert.Equal([4], Take(4));
        Assert.Equal([2], Take(2));
        Assert.Equal((0, 0L, true), (_ledger.Count, _ledger.Bytes, _ledger.HasRoom));
    }

    [Fact]
    public void An_answer_for_several_takes_all_up_to_it_that_have_none_oldest_first()
    {
        Add(6);
        Take(2);
        Take(4);
        Assert.Equal([1, 3, 5], Take(5, multiple: true));
        Assert.Equal([6], Take(6, multiple: true));
    }

    [Fact]
    public void A_second_answer_takes_nothing()
    {
        Add(3);
        Take(2);
        Assert.Empty(Take(2));
        Take(3, multiple: true);
        Assert.Empty(Take(3, multiple: true));
        Assert.Empty(Take(1));
        Assert.Equal(0, _ledger.Count);
    }

    [Theory]
    [InlineData(4, false)]
    [InlineData(4, true)]
    [InlineData(ulong.MaxValue, false)]
    [InlineData(ulong.MaxValue, true)]
    [InlineData(0, false)]
    [InlineData(0, true)] // "all so far" to AMQP: more than the broker can have read
    public void An_answer_to_a_number_that_was_never_used_is_refused_and_takes_nothing(ulong sequence, bool multiple)
    {
        Add(3);
        var taken = new List<OutgoingJob>();
        Assert.False(_ledger.Take(sequence, multiple, taken));
        Assert.Empty(taken);
        Assert.Equal(3, _ledger.Count);
    }

    [Fact]
    public void The_ring_is_full_when_the_oldest_is_unanswered_although_all_others_are()
    {
        Add(8);
        Assert.False(_ledger.HasRoom);
        for (ulong i = 2; i <= 8; i++)
            Take(i);
        Assert.Equal((1, false), (_ledger.Count, _ledger.HasRoom));
        Take(1);
        Assert.True(_ledger.HasRoom);
    }

    [Fact]
    public void Slots_are_used_again_and_find_the_publish_that_is_in_them()
    {
        for (int round = 0; round < 50; round++)
        {
            int slot = _ledger.NextSlot;
            Add(3);
            Assert.Same(_jobs[^3], _ledger.InSlot(slot));
            Assert.Equal(
                [(round * 3) + 1, (round * 3) + 2, (round * 3) + 3], Take((ulong)(round * 3) + 3, multiple: true));
            Assert.Null(_ledger.InSlot(slot));
        }
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(8)]
    [InlineData(int.MaxValue)]
    [InlineData(int.MinValue)]
    public void A_slot_that_there_is_not_holds_nothing(int slot) => Assert.Null(_ledger.InSlot(slot));

    [Fact]
    public void Taking_all_gives_them_oldest_first_and_numbers_begin_again()
    {
        Add(5, size: 10);
        Take(2);
        Assert.Equal(40, _ledger.Bytes);
        var taken = new List<OutgoingJob>();
        _ledger.TakeAll(taken);
        Assert.Equal([1, 3, 4, 5], taken.Select(Number));
        Assert.Equal((0, 0L), (_ledger.Count, _ledger.Bytes));
        Assert.Equal(1, _ledger.NextSlot);
        Assert.False(_ledger.Take(1, multiple: false, []));
        Add(1);
        Assert.Equal([6], Take(1));
    }

    [Fact]
    public void Against_a_plain_list_a_hundred_thousand_random_answers_agree()
    {
        var random = new Random(1);
        var ledger = new ConfirmLedger(64);
        var model = new SortedDictionary<ulong, OutgoingJob>();
        ulong next = 1;
        for (int step = 0; step < 100_000; step++)
        {
            if (ledger.HasRoom && random.Next(2) == 0)
            {
                OutgoingJob job = Job(random.Next(5));
                model.Add(next++, job);
                ledger.Add(job);
                continue;
            }
            ulong sequence = (ulong)random.NextInt64((long)next);
            bool multiple = random.Next(8) == 0;
            var taken = new List<OutgoingJob>();
            bool known = sequence > 0;
            Assert.Equal(known, ledger.Take(sequence, multiple, taken));
            var expected =
                known ? model.Where(pair => multiple ? pair.Key <= sequence : pair.Key == sequence).ToList() : [];
            Assert.Equal(expected.Select(pair => pair.Value), taken);
            foreach (var (key, _) in expected)
                model.Remove(key);
            Assert.Equal((model.Count, model.Values.Sum(job => (long)job.Size)), (ledger.Count, ledger.Bytes));
            Assert.Equal(model.Values, ledger.Unanswered());
        }
    }

    private void Add(int count, int size = 0)
    {
        for (int i = 0; i < count; i++)
        {
            _jobs.Add(Job(size));
            _ledger.Add(_jobs[^1]);
        }
    }

    private List<int> Take(ulong sequence, bool multiple = false)
    {
        var taken = new List<OutgoingJob>();
        Assert.True(_ledger.Take(sequence, multiple, taken));
        return [.. taken.Select(Number)];
    }

    private int Number(OutgoingJob job) => _jobs.IndexOf(job) + 1;
}
