using SafeAmqp.Testing.Queues;

namespace SafeAmqp.Testing.Routing;

/// <summary>How an exchange type finds the bindings that a message matches (AMQP 0-9-1, 3.1.3).</summary>
internal abstract class BindingTable
{
    public static readonly string[] Types = ["direct", "fanout", "topic", "headers"];

    public static BindingTable For(string type, VersionRules rules) => type switch
    {
        "direct" => new DirectTable(),
        "fanout" => new FanoutTable(),
        "topic" => new TopicTable(),
        _ => new HeadersTable(rules),
    };

    /// <exception cref="AmqpError">406: a binding cannot have these arguments.</exception>
    public virtual void Check(Dictionary<string, object?> arguments)
    {
    }

    public abstract void Add(Binding binding);

    public abstract void Remove(Binding binding);

    public abstract void Match(Message message, string key, List<Binding> matches);

    private sealed class DirectTable : BindingTable
    {
        private readonly Dictionary<string, List<Binding>> _byKey = [];

        public override void Add(Binding binding)
        {
            if (!_byKey.TryGetValue(binding.Key, out List<Binding>? bindings))
                _byKey[binding.Key] = bindings = [];
            bindings.Add(binding);
        }

        public override void Remove(Binding binding)
        {
            List<Binding> bindings = _byKey[binding.Key];
            bindings.Remove(binding);
            if (bindings.Count == 0)
                _byKey.Remove(binding.Key);
        }

        public override void Match(Message message, string key, List<Binding> matches)
        {
            if (_byKey.TryGetValue(key, out List<Binding>? bindings))
                matches.AddRange(bindings);
        }
    }

    private sealed class FanoutTable : BindingTable
    {
        private readonly List<Binding> _all = [];

        public override void Add(Binding binding) => _all.Add(binding);

        public override void Remove(Binding binding) => _all.Remove(binding);

        public override void Match(Message message, string key, List<Binding> matches) => matches.AddRange(_all);
    }

    private sealed class HeadersTable(VersionRules rules) : BindingTable
    {
        private readonly List<Binding> _all = [];

        public override void Check(Dictionary<string, object?> arguments)
        {
            if (!arguments.TryGetValue("x-match", out object? mode))
                return;
            if (mode is not byte[] text)
            {
                string type = FieldTableWriter.TypeName(mode);
                throw AmqpError.Precondition(
                    $"Invalid x-match field type {type} (value {ErlangText.Value(mode)}); expected longstr");
            }
            if (FieldTable.Text(mode) is not ("all" or "any" or "all-with-x" or "any-with-x"))
            {
                string value = ErlangText.Binary(text);
                throw AmqpError.Precondition(
                    $"Invalid x-match field value {value}; expected all, any, all-with-x, or any-with-x");
            }
        }

        public override void Add(Binding binding) => _all.Add(binding);

        public override void Remove(Binding binding) => _all.Remove(binding);

        public override void Match(Message message, string key, List<Binding> matches)
        {
            if (_all.Count == 0)
                return;
            Dictionary<string, object?> headers = message.Properties.ReadHeaders();
            foreach (Binding binding in _all)
                if (Matches(binding.Arguments, headers))
                    matches.Add(binding);
        }

        private bool Matches(Dictionary<string, object?> wanted, Dictionary<string, object?> headers)
        {
            string mode = FieldTable.Text(wanted.GetValueOrDefault("x-match")) ?? "all";
            bool any = mode.StartsWith("any", StringComparison.Ordinal);
            // Without the suffix, wanted names that begin with x- do not take part.
            bool withX = mode.EndsWith("-with-x", StringComparison.Ordinal);
            foreach ((string name, object? value) in wanted)
            {
                if (name == "x-match" || !withX && name.StartsWith("x-", StringComparison.Ordinal))
                    continue;
                // A wanted value of void asks only that the header is there.
                bool matches = headers.TryGetValue(name, out object? found)
                    && (value is null || FieldTable.Matches(value, found, rules));
                if (matches && any)
                    return true;
                if (!matches && !any)
                    return false;
            }
            return !any;
        }
    }
}
