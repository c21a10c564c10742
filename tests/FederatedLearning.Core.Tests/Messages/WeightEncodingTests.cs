using FederatedLearning.Encoding;
using FederatedLearning.Messages;
using FederatedLearning.Model;

namespace FederatedLearning.Tests.Messages;

public sealed class WeightEncodingTests
{
    private const string Example = "RkxUVwEAAQAYAAAAAQEBAHcCAAAAAAAAAACAPwAAAMA=";

    [Fact]
    public void The_example_of_the_specification_is_what_is_written_and_read()
    {
        var model = new ModelWeights([new TensorShape("w", [2])], [1, -2]);
        Assert.Equal(Example, Encode(model));
        var read = WeightEncoding.Decode(Encoding(Example));
        Assert.Equal([1, -2], read.Values.ToArray());
        Assert.Equal(model.Layout, read.Layout);
        Assert.Contains(
            Example,
            File.ReadAllText(Repository.Path("samples", "FederatedLearning", "ENCODING.md")),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Models_of_every_size_and_shape_come_back_bit_by_bit()
    {
        var random = new Random(1);
        for (int i = 0; i < 200; i++)
        {
            TensorShape[] layout = [.. Enumerable.Range(0, random.Next(1, 6)).Select(t =>
                new TensorShape(
                    new string('ä', random.Next(0, 9)) + t,
                    [.. Enumerable.Range(0, random.Next(0, 4)).Select(_ => random.Next(1, 7))]))];
            float[] values = new float[layout.Sum(tensor => tensor.Count)];
            foreach (ref float value in values.AsSpan())
                value = BitConverter.Int32BitsToSingle(random.Next(int.MinValue, int.MaxValue));
            var model = new ModelWeights(layout, values);
            string text = Encode(model);
            Assert.Equal(WeightEncoding.EncodedLength(model), text.Length);
            var read = WeightEncoding.Decode(Encoding(text));
            Assert.True(read.HasLayoutOf(model));
            Assert.Equal(
                values.Select(BitConverter.SingleToInt32Bits),
                read.Values.ToArray().Select(BitConverter.SingleToInt32Bits));
        }
    }

    [Fact]
    public void A_model_goes_as_the_bytes_that_the_text_is_base64_of_where_a_protocol_carries_bytes()
    {
        var model = new ModelWeights([new TensorShape("w", [2])], [1, -2]);
        byte[] bytes = WeightEncoding.ToBytes(model);
        Assert.Equal(Convert.FromBase64String(Example), bytes);
        Assert.Equal([1, -2], WeightEncoding.FromBytes(bytes).Values.ToArray());
        Assert.Contains("pickle", Refused([0x80, 0x04, 0x95, .. new byte[20]]), StringComparison.Ordinal);
        for (int length = 0; length < bytes.Length; length++)
            Assert.StartsWith("weights:", Refused(bytes[..length]), StringComparison.Ordinal);
        Assert.StartsWith("weights:", Refused([.. bytes, 0]), StringComparison.Ordinal);

        static string Refused(byte[] bytes)
            => Assert.Throws<MessageRefusedException>(() => WeightEncoding.FromBytes(bytes)).Message;
    }

    [Fact]
    public void A_model_that_has_no_room_in_a_message_is_refused_before_it_is_written()
    {
        var weights = new ModelWeights(
            [new TensorShape("w", [MessageLimit.WeightBytes / 4])], new float[MessageLimit.WeightBytes / 4]);
        Assert.Throws<MessageRefusedException>(() => ClientJson.Write(new ClientUpdate(Some.Id(1), 1, weights, 1)));
    }

    [Fact]
    public void A_pickle_is_named_and_never_opened()
    {
        string pickle = Convert.ToBase64String([0x80, 0x04, 0x95, .. "cos\nsystem\n(S'x'\ntR."u8]);
        Assert.Contains("pickle", Refusal(pickle), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("AAAA")]
    [InlineData("not base64 at all, but long enough")]
    [InlineData("RkxUVwIAAQAYAAAAAQEBAHcCAAAAAAAAAACAPwAAAMA=")] // version 2
    [InlineData("RkxUVwEBAQAYAAAAAQEBAHcCAAAAAAAAAACAPwAAAMA=")] // flags
    [InlineData("RkxUVwEAAAAYAAAAAQEBAHcCAAAAAAAAAACAPwAAAMA=")] // no tensors
    [InlineData("RkxUVwEAAgAYAAAAAQEBAHcCAAAAAAAAAACAPwAAAMA=")] // one more tensor than there is
    [InlineData("RkxUVwEAAQAYAAAAAgEBAHcCAAAAAAAAAACAPwAAAMA=")] // another element type
    [InlineData("RkxUVwEAAQAYAAAAAQEBAHcAAAAAAAAAAACAPwAAAMA=")] // dimension 0
    [InlineData("RkxUVwEAAQAYAAAAAQEBAHf///9/AAAAAACAPwAAAMA=")] // a dimension of 2 billion
    [InlineData("RkxUVwEAAQD///9/AQEBAHcCAAAAAAAAAACAPwAAAMA=")] // a header of 2 GiB
    [InlineData("RkxUVwEAAQAYAAAAAQEBAHcCAAAAAAAAAACAPw==")] // a value too few
    [InlineData("RkxUVwEAAQAYAAAAAQEBAHcCAAAAAAAAAACAPwAAAMAAAAAA")] // bytes too many
    [InlineData("RkxUVwEAAQAYAAAAAQEBAHcCAAAAAAAAAACAPwAAA*A=")] // not of the alphabet
    [InlineData("RkxUVwEAAQAYAAAAAQEBAHcCAAAAAAAAAACAPwAAAM=A")] // padding within
    [InlineData("RkxUVwEAAQAYAAAAAQEBAHcCAAAAAAAAAACAPwAA\nAM=")] // a line break
    [InlineData("RkxUVwEAAQAYAAAAAQEBAHcCAAAAAAABAACAPwAAAMA=")] // something in the padding of the header
    public void Whatever_is_not_exactly_of_the_format_is_refused(string text)
        => Assert.StartsWith("weights:", Refusal(text), StringComparison.Ordinal);

    [Fact]
    public void Bytes_changed_at_random_are_refused_or_read_but_never_harm()
    {
        var random = new Random(2);
        var model = new ModelWeights([new TensorShape("a", [3, 2]), new TensorShape("b", [])], [1, 2, 3, 4, 5, 6, 7]);
        byte[] bytes = Convert.FromBase64String(Encode(model));
        for (int i = 0; i < 20_000; i++)
        {
            byte[] changed = (byte[])bytes.Clone();
            for (int n = random.Next(1, 4); n > 0; n--) changed[random.Next(changed.Length)] = (byte)random.Next(256);
            byte[] text = Encoding(Convert.ToBase64String(changed))[..^(random.Next(4) == 0 ? random.Next(1, 40) : 0)];
            try
            {
                WeightEncoding.Decode(text);
            }
            catch (MessageRefusedException)
            {
                // what is to happen; any other exception fails the test
            }
        }
    }

    // 95 MiB of base64. The model itself is 71 MiB; a second copy of either would show.
    [Fact]
    public void A_model_of_95_MiB_goes_into_its_message_and_back_without_another_copy()
    {
        const int Count = 95 * 1024 * 1024 / 4 * 3 / 4 - 100;
        float[] values = new float[Count];
        for (int i = 0; i < Count; i += 1000) values[i] = i;
        var update = new ClientUpdate(Some.Id(1), 1, new ModelWeights([new TensorShape("w", [Count])], values), 1);

        long before = GC.GetAllocatedBytesForCurrentThread();
        byte[] json = ClientJson.Write(update);
        long written = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.InRange(json.Length, 94 * 1024 * 1024, 95 * 1024 * 1024);
        Assert.InRange(written, json.Length, json.Length + 100_000);

        before = GC.GetAllocatedBytesForCurrentThread();
        var read = ClientJson.ReadUpdate(json);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 4L * Count, 4L * Count + 100_000);
        Assert.True(read.Weights.Values.SequenceEqual(values));
    }

    private static string Encode(ModelWeights model)
    {
        byte[] text = new byte[WeightEncoding.EncodedLength(model)];
        int written = WeightEncoding.Encode(model, text);
        return System.Text.Encoding.ASCII.GetString(text, 0, written);
    }

    private static byte[] Encoding(string text) => System.Text.Encoding.ASCII.GetBytes(text);

    private static string Refusal(string text)
        => Assert.Throws<MessageRefusedException>(() => WeightEncoding.Decode(Encoding(text))).Message;
}
