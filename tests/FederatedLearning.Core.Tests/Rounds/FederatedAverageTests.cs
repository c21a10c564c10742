using FederatedLearning.Rounds;

namespace FederatedLearning.Tests.Rounds;

public sealed class FederatedAverageTests
{
    [Fact]
    public void The_average_does_not_depend_on_the_order_of_the_updates_bit_by_bit()
    {
        var random = new Random(4);
        for (int run = 0; run < 50; run++)
        {
            var updates = Enumerable.Range(0, 20).Select(_ => (
                Values: Enumerable.Range(0, 50)
                    .Select(_ => (float)((random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-12, 9)))).ToArray(),
                Samples: random.Next(1, 100_000))).ToArray();
            float[] expected = Average(updates);
            for (int order = 0; order < 5; order++)
            {
                random.Shuffle(updates);
                Assert.Equal(
                    expected.Select(BitConverter.SingleToInt32Bits),
                    Average(updates).Select(BitConverter.SingleToInt32Bits));
            }
        }
    }

    [Fact]
    public void The_average_is_that_of_decimal_arithmetic_to_the_last_bit_of_a_float()
    {
        var random = new Random(5);
        for (int run = 0; run < 500; run++)
        {
            var updates = Enumerable.Range(0, random.Next(1, 9)).Select(_ => (
                Values: new[] { (float)(random.NextDouble() * 4 - 2) }, Samples: random.Next(1, 5000))).ToArray();
            decimal exact = updates.Sum(
                update => (decimal)(double)update.Values[0] * update.Samples) / updates.Sum(update => update.Samples);
            Assert.Equal((double)exact, Average(updates)[0], Math.Abs((double)exact) * 1e-7 + 1e-15);
        }
    }

    [Fact]
    public void The_largest_values_and_sample_counts_do_not_overflow()
    {
        float largest = MathF.BitDecrement(FederatedAverage.WeightLimit);
        var average = new FederatedAverage(2);
        for (int i = 0; i < 3; i++) average.Add([largest, -largest], FederatedAverage.SampleLimit - 1);
        Assert.True(average.HasRoomFor(FederatedAverage.SampleLimit - 1));
        average.Add([largest, -largest], FederatedAverage.SampleLimit - 1);
        Assert.False(average.HasRoomFor(FederatedAverage.SampleLimit - 1));
        Assert.Equal([largest, -largest], average.TakeAverage());
    }

    [Fact]
    public void One_update_alone_comes_out_as_it_went_in_and_the_next_average_begins_anew()
    {
        float[] values = [1e-9f, -0.1f, 3.14159274f, 4e9f, 0];
        var average = new FederatedAverage(values.Length);
        average.Add(values, 7);
        Assert.Equal(values, average.TakeAverage());
        average.Add([1, 1, 1, 1, 1], 1);
        Assert.Equal([1, 1, 1, 1, 1], average.TakeAverage());
        Assert.Throws<InvalidOperationException>(average.TakeAverage);
    }

    private static float[] Average((float[] Values, int Samples)[] updates)
    {
        var average = new FederatedAverage(updates[0].Values.Length);
        foreach (var (values, samples) in updates) average.Add(values, samples);
        return average.TakeAverage();
    }
}
